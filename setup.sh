#!/bin/sh
# Installs what a host needs to build, run and test Broch: Debian 12, Debian 13, Ubuntu 24.04.
set -eu

# Group, package, and where the name differs by release: debian-12, debian-13, ubuntu-24.04.
packages='
compile   gcc
compile   clang
compile   clang-format
compile   libclang-rt-14-dev      debian-12
compile   libclang-rt-19-dev      debian-13
compile   libclang-rt-18-dev      ubuntu-24.04
compile   meson
compile   ninja-build
compile   pkg-config
compile   make
compile   git
compile   libjson-c-dev
compile   libsodium-dev
compile   libsqlite3-dev
compile   libtss2-dev
compile   libssl-dev
compile   libarchive-dev
compile   libcurl4-openssl-dev
compile   libcmocka-dev
compile   libseccomp-dev
compile   libmicrohttpd-dev
compile   libkmod-dev
compile   libcryptsetup-dev
compile   libfdisk-dev
compile   swtpm
compile   scdoc
images    mmdebstrap
images    uidmap
images    gpg
images    debian-archive-keyring
images    ca-certificates
test      python3
test      locales
test      shellcheck
test      minisign
test      iproute2
test      nftables
test      btrfs-progs
test      serf                    debian-12
test      serf                    debian-13
'

why() {
    case $1 in
    compile) echo 'compile the programs, their sanitizer builds and manual pages' ;;
    images) echo 'make the Debian tree in which images are built' ;;
    test) echo 'run the tests and the lint' ;;
    esac
}

usage() {
    cat <<'END'
usage: ./setup.sh [--yes | --check]

Installs the packages that building, running and testing Broch needs, and only those that are
missing. Works as root or with sudo. Says what it is about to install, and asks.

  --yes    do not ask
  --check  only tell what is missing; ends with 1 when something is
  --help   show this

Example: ./setup.sh --yes
END
}

fail() {
    echo "setup: $*" >&2
    exit 1
}

yes=false check=false
for argument; do
    case $argument in
    --yes) yes=true ;;
    --check) check=true ;;
    --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        exit 2
        ;;
    esac
done

release=unknown
if [ -r "${OS_RELEASE:=/etc/os-release}" ]; then
    # shellcheck source=/dev/null
    release=$(. "$OS_RELEASE" && echo "${ID:-unknown}-${VERSION_ID:-unknown}")
fi
case $release in
debian-12 | debian-13 | ubuntu-24.04) ;;
*)
    echo "setup: '$release' is not one of Debian 12, Debian 13, Ubuntu 24.04." >&2
    echo "Find these in your system's packages (names as in Debian):" >&2
    echo "$packages" | while read -r group package only; do
        case $only in '' | debian-13) [ -z "$package" ] || echo "  $package" ;; esac
    done >&2
    exit 1
    ;;
esac

# Sets `wanted` to the lines "group package" of this release.
wanted=
while read -r group package only; do
    case $only in '' | "$release") wanted="$wanted$group $package
" ;; esac
done <<END
$(echo "$packages" | sed '/^$/d')
END

# Sets `missing` to the packages that are not installed, in the order of the table.
names=$(echo "$wanted" | sed 's/^[a-z]* *//')
# shellcheck disable=SC2086 # one word per package
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $names 2>/dev/null |
    sed -n 's/^installed //p' || true)
missing=
for name in $names; do
    case "
$installed
" in *"
$name
"*) ;;
    *) missing="$missing $name" ;;
    esac
done
if [ -z "$missing" ]; then
    echo "setup: everything is installed."
    exit 0
fi

echo "Missing on this host:"
for group in compile images test; do
    list=
    for name in $missing; do
        case "
$wanted" in *"
$group $name
"*) list="$list $name" ;; esac
    done
    [ -z "$list" ] || printf '  to %s:\n   %s\n' "$(why $group)" "$list"
done
if $check; then
    exit 1
fi

sudo='env'
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "run this as root, or install sudo"
    sudo='sudo env'
fi
echo "Commands:"
echo "  ${sudo%env}apt-get update"
echo "  ${sudo%env}apt-get install --yes --no-install-recommends$missing"
if ! $yes; then
    [ -t 0 ] || fail "not a terminal: pass --yes to install without a question"
    printf 'Run them? [y/N] '
    read -r answer
    case $answer in y | Y | yes) ;; *) fail "nothing was installed" ;; esac
fi
# shellcheck disable=SC2086 # one word per package
$sudo apt-get update || fail "apt-get update failed"
# shellcheck disable=SC2086
$sudo DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends $missing ||
    fail "apt-get install failed; on Ubuntu, 'universe' must be among the sources"
echo "setup: done."
