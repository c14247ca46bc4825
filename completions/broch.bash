# Completion of broch for bash. The verbs are those of `broch help`.

_broch()
{
    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} choices=
    local verbs="status config screen support reboot poweroff build run lock keys tools errors schema help version"

    if ((COMP_CWORD == 1)); then
        choices="$verbs --help --version"
    else
        case $verb in
        status) choices="--json --help" ;;
        config)
            case ${COMP_WORDS[2]} in
            show) choices="--origin --help" ;;
            diff) choices="--json --help" ;;
            validate | apply) choices="--help" ;;
            *) choices="show diff validate apply --help" ;;
            esac
            ;;
        screen) choices="--terminal --help" ;;
        support) choices="--out --help" ;;
        reboot | poweroff) choices="--force --help" ;;
        help) choices=$verbs ;;
        version) choices="--help" ;;
        keys) choices="init check --help" ;;
        errors) choices="--markdown --help" ;;
        *) choices="--help" ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -o default -F _broch broch
