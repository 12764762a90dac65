# shellcheck shell=sh
# What every script here begins with: --dry-run, the environment that azd leaves, and errors that name the mend.
# Sourced, in the folder of the checkout.

DRY_RUN=false

# Reads --dry-run and --help; anything else is wrong usage.
read_options() {
    for option in "$@"; do
        case "$option" in
            --dry-run) DRY_RUN=true ;;
            --help | -h)
                sed -n '/^# Usage/,/^$/{s/^# \{0,1\}//p;}' "$0"
                exit 0
                ;;
            *) fail 2 "$option: unknown option; --dry-run and --help are known." ;;
        esac
    done
}

fail() {
    code=$1
    shift
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit "$code"
}

say() {
    printf '%s\n' "$*" >&2
}

# Stops unless each named variable of the environment is set; tells them all at once.
need() {
    lacking=
    for name in "$@"; do
        eval "value=\${$name:-}"
        # shellcheck disable=SC2154 # set by eval
        [ -n "$value" ] || lacking="$lacking $name"
    done
    [ -z "$lacking" ] || fail 2 "not set:$lacking. azd sets them after provisioning; else: eval \"\$(azd env get-values | sed 's/^/export /')\""
}

# Stops unless each program is there.
need_program() {
    for program in "$@"; do
        command -v "$program" >/dev/null || fail 2 "$program is not installed; infra/README.md says what is needed."
    done
}

# Stops unless the value of a variable looks as it should: what goes into SQL or an address is never anything else.
need_shape() {
    if [ "$(printf '%s' "$2" | wc -l)" -ne 0 ] || ! printf '%s\n' "$2" | grep -Eqx "$3"; then
        fail 2 "$1 is not $4."
    fi
}

# shellcheck disable=SC2034 # for those who source this
GUID='[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'

# Runs a command that changes something; with --dry-run it is only told.
run() {
    if "$DRY_RUN"; then
        printf 'would run:'
        for word in "$@"; do
            printf " '%s'" "$word"
        done
        printf '\n'
    else
        "$@"
    fi
}
