# What the full tier needs from outside: a browser, other people's clients, schemathesis. Sourced.
# install_outside gets what this machine can have, and names it in VCDB_REQUIRE: what was got must
# then be used.

. tools/venv.sh

require_part() {
    VCDB_REQUIRE=${VCDB_REQUIRE:+$VCDB_REQUIRE,}$1
    export VCDB_REQUIRE
}

has_browser() {
    command -v chromium >/dev/null || command -v chrome >/dev/null
}

install_outside() {
    make_venv test
    if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --editable "$root[test,browser]"; then
        require_part clients
        require_part schemathesis
        if ! has_browser && command -v apt-get >/dev/null; then
            { as_root apt-get update -qq && as_root apt-get install -y -qq --no-install-recommends \
                chromium fonts-dejavu-core; } >&2 || say "no browser could be installed"
        fi
        if has_browser; then
            require_part browser
        fi
    else
        say "the browser extra could not be installed; its tests are skipped"
    fi
    if command -v npm >/dev/null &&
        npm install --silent --no-audit --no-fund --prefix "$root/.npm" trace.moe.ts@1.3.10-patch1 >&2; then
        require_part npm
    fi
}
