# shellcheck shell=bash
# To be sourced. Debian and Ubuntu packages for the scripts that may install some.

# Whether this user, on this machine, can install packages.
can_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

# Whether there is such a package. Lists that do not know it may only be missing or old.
apt_knows() {
    apt_lists "$1" || { can_install && apt_update_once && apt_lists "$1"; }
}

apt_lists() {
    apt-cache show --no-all-versions "$1" >/dev/null 2>&1
}

apt_lists_are_fresh=

apt_update_once() {
    [ -z "$apt_lists_are_fresh" ] || return 0
    echo "fetching the package lists" >&2
    # One unreachable source among several is no reason to stop: the install will tell.
    apt-get -qq -o DPkg::Lock::Timeout=300 update || true
    apt_lists_are_fresh=yes
}

apt_install() {
    local package
    for package in "$@"; do
        apt_knows "$package" || break
    done
    echo "installing $*" >&2
    # Old lists name versions that are gone: then fetch them and try once more.
    apt_get_install "$@" || { apt_update_once; apt_get_install "$@"; }
}

apt_get_install() {
    # A fresh machine often updates itself just now, hence the wait for the lock.
    DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 \
        install --no-install-recommends "$@" </dev/null >/dev/null
}
