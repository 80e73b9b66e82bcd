# Sourced by the scripts beside it: a virtual environment in .venv with vcdb and what it needs.
#
# usage: . tools/venv.sh; make_venv [EXTRA]     EXTRA: a name from [project.optional-dependencies]
#
# Nothing outside the checkout is changed, except that on Debian and Ubuntu, which ship Python
# without its venv module, the package python3.x-venv is installed. A second call takes no time.

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
venv=$root/.venv

say() { printf '%s\n' "vcdb: $*" >&2; }

fail() {
    say "$*"
    exit 4
}

find_python() {
    for name in ${VCDB_PYTHON:-} python3.14 python3.13 python3.12 python3.11 python3 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return 0
        fi
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        sudo "$@"
    else
        return 1
    fi
}

install_venv_module() {
    version=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    command -v apt-get >/dev/null ||
        fail "$1 cannot make virtual environments; install its 'venv' and 'ensurepip' modules"
    say "installing $version, which this system keeps apart from Python"
    { as_root apt-get update -qq && as_root apt-get install -y -qq "$version"; } >&2 ||
        fail "as root, run: apt-get install $version    then call this script again"
}

new_venv() {
    python=$(find_python) || fail "Python 3.11 or newer is needed and not found; on Debian or \
Ubuntu: apt-get install python3-venv, on macOS: brew install python"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_venv_module "$python"
    say "making a virtual environment in $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" || fail "no virtual environment could be made in $venv"
}

# What an installation depends on: another place, Python, list of requirements or what is compiled
# makes a new one.
fingerprint() {
    "$venv/bin/python" -c 'import sys; print(sys.version)' 2>/dev/null || return 1
    printf '%s\n' "$root"
    cat "$root/pyproject.toml" "$root"/vcdb/kernels/*.[ch] | cksum
}

make_venv() {
    extra=${1:-}
    stamp=$venv/installed${extra:+-$extra}
    if [ -f "$stamp" ] && [ "$(fingerprint)" = "$(cat "$stamp")" ]; then
        return 0
    fi
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || new_venv
    say "installing vcdb${extra:+ and what its ${extra} extra needs}; this takes a minute"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --editable "$root${extra:+[$extra]}" || fail "the installation failed; see the lines above"
    fingerprint >"$stamp"
}
