# Completion of broch for bash. The verbs are those of `broch help`.

_broch()
{
    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} choices=
    local verbs="status service logs events config update disk recovery secureboot screen support reboot poweroff build release inspect verify diff run lock keys tools errors schema help version"

    if ((COMP_CWORD == 1)); then
        choices="$verbs --help --version"
    else
        case $verb in
        status) choices="--json --last-failure --help" ;;
        service)
            case ${COMP_WORDS[2]} in
            status | describe | start | stop | restart | logs)
                choices="$(broch service list 2>/dev/null | awk 'NR > 1 { print $1 }') --help"
                case ${COMP_WORDS[2]} in
                status) choices+=" --json --lines" ;;
                logs) choices+=" --follow --lines --boot" ;;
                start | stop | restart) choices+=" --json" ;;
                esac
                ;;
            list | reload) choices="--json --help" ;;
            *) choices="list status describe start stop restart reload logs --help" ;;
            esac
            ;;
        logs)
            choices="$(broch service list 2>/dev/null | awk 'NR > 1 { print $1 }')"
            choices+=" --follow --lines --boot --help"
            ;;
        events) choices="--follow --lines --json --help" ;;
        config)
            case ${COMP_WORDS[2]} in
            show) choices="--origin --help" ;;
            diff) choices="--json --help" ;;
            validate | apply) choices="--help" ;;
            *) choices="show diff validate apply --help" ;;
            esac
            ;;
        update)
            case ${COMP_WORDS[2]} in
            check) choices="--from --force --json --progress-fd --help" ;;
            apply) choices="--from --force --no-reboot --json --progress-fd --help" ;;
            status) choices="--json --help" ;;
            *) choices="check apply status rollback mark-good mark-bad --help" ;;
            esac
            ;;
        screen) choices="--terminal --notify-fd --help" ;;
        disk)
            case ${COMP_WORDS[2]} in
            status) choices="--json --help" ;;
            wipe) choices="--yes --dry-run --help" ;;
            *) choices="status enroll wipe cancel --help" ;;
            esac
            ;;
        recovery) choices="verify new --help" ;;
        support) choices="--out --help" ;;
        reboot | poweroff) choices="--force --help" ;;
        help) choices=$verbs ;;
        version) choices="--help" ;;
        build) choices="--kernel --out --keys --version --iso --jobs --until --explain --offline --production --json --quiet --progress-fd --source --help" ;;
        run) choices="--direct --no-secure-boot --live --memory --cpus --snapshot --machine --disk --forward --display --emulate --until-ready --deadline --log --json --out --tree --source --offline --help" ;;
        lock) choices="--tools --kernel --source --help" ;;
        tools) choices="--kernel --offline --source --help" ;;
        schema) choices="profile generation service config --help" ;;
        release) choices="--to --help" ;;
        inspect | diff) choices="--json --help" ;;
        verify) choices="--release-key --db --json --help" ;;
        secureboot) choices="status apply --json --without-spare --help" ;;
        keys) choices="init check allow forbid --keys --kek --out --help" ;;
        errors) choices="--markdown --help" ;;
        *) choices="--help" ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -o default -F _broch broch
