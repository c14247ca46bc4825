# Completion of broch for fish. The verbs are those of `broch help`.

set -l verbs status config screen support reboot poweroff build run lock keys tools errors schema help version

complete -c broch -n "not __fish_seen_subcommand_from $verbs" -f
complete -c broch -n __fish_use_subcommand -a status -d "what runs here, and how it was started"
complete -c broch -n __fish_use_subcommand -a config -d "show, check or apply the configuration"
complete -c broch -n __fish_use_subcommand -a screen -d "the status screen, on this terminal"
complete -c broch -n __fish_use_subcommand -a support -d "one file with what helps to find a fault"
complete -c broch -n __fish_use_subcommand -a reboot -d "restart the machine in order"
complete -c broch -n __fish_use_subcommand -a poweroff -d "switch the machine off in order"
complete -c broch -n __fish_use_subcommand -a build -d "forge a profile into a signed generation"
complete -c broch -n __fish_use_subcommand -a run -d "boot a generation in a virtual machine"
complete -c broch -n __fish_use_subcommand -a lock -d "renew the list of exact packages"
complete -c broch -n __fish_use_subcommand -a keys -d "make the signing keys"
complete -c broch -n __fish_use_subcommand -a tools -d "make the tools tree and print its path"
complete -c broch -n __fish_use_subcommand -a errors -d "list all error codes"
complete -c broch -n __fish_use_subcommand -a schema -d "print the schema of a file format"
complete -c broch -n __fish_use_subcommand -a help -d "this page, or the help of a verb"
complete -c broch -n __fish_use_subcommand -a version -d "the version of this program"

complete -c broch -n "__fish_seen_subcommand_from $verbs" -l help -d "how to use the verb"
complete -c broch -n "__fish_seen_subcommand_from status" -l json -d "one JSON object"
complete -c broch -n "__fish_seen_subcommand_from config" -a "show diff validate apply"
complete -c broch -n "__fish_seen_subcommand_from config; and __fish_seen_subcommand_from show" -l origin -d "file and line behind each value"
complete -c broch -n "__fish_seen_subcommand_from config; and __fish_seen_subcommand_from diff" -l json -d "one JSON object"
complete -c broch -n "__fish_seen_subcommand_from support" -l out -r -d "where it is written"
complete -c broch -n "__fish_seen_subcommand_from reboot poweroff" -l force -d "at once, without stopping services"
complete -c broch -n "__fish_seen_subcommand_from help" -f -a "$verbs"
complete -c broch -n "__fish_seen_subcommand_from keys" -a init
complete -c broch -n "__fish_seen_subcommand_from errors" -l markdown -d "as docs/reference/errors.md"
