#!/usr/bin/env bash
# Sets robolake up on this machine if need be, then submits a job to Spark or asks the lake.
# Needs bash, Python 3.11 and Java 17; the first time also the network.
set -euo pipefail
unset PYTHONDONTWRITEBYTECODE # an answer within a second has no time to compile the lake's modules anew

home=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd -P)
venv=$home/.venv
stamp=$venv/.set-up
verbs="ack alerts contracts copy diff docs doctor gaps lineage plan profile quality rejected releases rollback runs show status trace"

usage() {
    cat <<END
Usage: ./spark-submit.sh JOB [--env ENV] [--date DAY | --from DAY --to DAY] [--select TABLES]
       ./spark-submit.sh VERB [options]
       ./spark-submit.sh setup

Jobs, submitted to Spark:
$(job_list)

Verbs, answered without Spark (the same as .venv/bin/lake VERB):
  $verbs

JOB --help and VERB --help say more.
END
}

job_list() {
    local job
    for job in "$home"/jobs/*.py; do
        [[ $(basename "$job") == [a-z]*.py ]] && printf '  %-10s %s\n' "$(basename "$job" .py)" "$(sed -n '1s/"""//gp' "$job")"
    done
    return 0
}

job_names() {
    job_list | awk '{print $1}'
}

complain() {
    printf '%s\n' "$@" >&2
    exit 2
}

# ---- what the machine has to have

python_works() { # python_works COMMAND: it runs, and is Python 3.11
    "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' >/dev/null 2>&1
}

find_python() {
    local candidate
    if [[ -n ${ROBOLAKE_PYTHON:-} ]]; then
        python_works "$ROBOLAKE_PYTHON" || complain "ROBOLAKE_PYTHON=$ROBOLAKE_PYTHON is not a Python 3.11."
        python=$ROBOLAKE_PYTHON
        return
    fi
    for candidate in python3.11 python3 python; do
        if python_works "$candidate"; then
            python=$candidate
            return
        fi
    done
    complain "robolake needs Python 3.11, and found none." \
        "Debian: apt-get install python3.11 python3.11-venv" \
        "Or name one: ROBOLAKE_PYTHON=/path/to/python3.11 ./spark-submit.sh setup"
}

find_java() { # sets and exports JAVA_HOME
    local from java version
    if [[ -n ${JAVA_HOME:-} ]]; then
        from=JAVA_HOME
    elif java=$(command -v java); then
        from=PATH
        JAVA_HOME=$(dirname "$(dirname "$(readlink -f "$java")")")
    else
        complain "robolake needs Java 17, and found none: JAVA_HOME is not set, and no java is on PATH." \
            "Debian: apt-get install openjdk-17-jre-headless"
    fi
    [[ -x $JAVA_HOME/bin/java ]] ||
        complain "robolake needs Java 17, but JAVA_HOME=$JAVA_HOME holds no bin/java." "Debian: apt-get install openjdk-17-jre-headless"
    version=$(sed -n 's/^JAVA_VERSION="\(.*\)"/\1/p' "$JAVA_HOME/release" 2>/dev/null || true)
    if [[ -z $version ]]; then
        version=$("$JAVA_HOME/bin/java" -version 2>&1 | sed -n 's/.* version "\([^"]*\)".*/\1/p' | head -n 1)
    fi
    case $version in
        17 | 17.* | 21 | 21.*) export JAVA_HOME ;;
        *) complain "robolake needs Java 17 (21 will do); the one from $from is ${version:-of no known version}: $JAVA_HOME" \
            "Debian: apt-get install openjdk-17-jre-headless" \
            "Then name it: export JAVA_HOME=/usr/lib/jvm/java-17-openjdk-$(dpkg --print-architecture 2>/dev/null || echo amd64)" ;;
    esac
}

# Python and Spark's JVM talk over the loopback. A fresh network namespace (unshare -n, some CI sandboxes) has it down.
raise_loopback() {
    local answer
    answer=$( (LC_ALL=C exec 3<>/dev/tcp/127.0.0.1/9) 2>&1 || true)
    if [[ $answer == *nreachable* ]]; then
        "$venv/bin/python" - <<'END' || complain "The loopback interface is down, and Spark needs it." "Raise it: ip link set lo up"
import fcntl, socket, struct, sys

SIOCSIFFLAGS, UP_LOOPBACK_RUNNING = 0x8914, 0x1 | 0x8 | 0x40
try:
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", UP_LOOPBACK_RUNNING))
except OSError:
    sys.exit(1)
END
    fi
}

# ---- set-up: .venv as requirements.lock says, a stamp over it, and the jars of jars.lock

wanted_stamp() { # the checkout's place is in it: a moved .venv does not work
    (cd "$home" && pwd -P && cat requirements.lock jars.lock pyproject.toml) | sha256sum
}

is_set_up() {
    [[ -f $stamp && $(<"$stamp") == "$(wanted_stamp)" ]]
}

set_up() {
    local python=
    find_python
    find_java
    # Without a stamp, .venv is missing or the remains of an interrupted set-up, which pip would take for whole.
    if [[ ! -f $stamp ]] || ! python_works "$venv/bin/python" || [[ $("$venv/bin/python" -c 'import sys; print(sys.prefix)') != "$venv" ]]; then
        "$python" -c 'import ensurepip, venv' 2>/dev/null ||
            complain "$python cannot make a virtual environment: ensurepip is missing." "Debian: apt-get install python3.11-venv"
        echo "Setting up robolake in $venv: once, a few minutes, about 1.5 GB." >&2
        rm -rf "$venv"
        "$python" -m venv "$venv"
    else
        echo "Bringing $venv in line with requirements.lock." >&2
        rm -f "$stamp"
    fi
    # Compiling all modules would take longer than all else here; most are never imported, the others compiled then.
    "$venv/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check --require-hashes -r "$home/requirements.lock" ||
        complain "pip could not install what requirements.lock names (see above)." "With a network: ./spark-submit.sh setup"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e "$home"
    wanted_stamp >"$stamp"
    raise_loopback
    rm -f "$venv/spark.jsa" # of the packages before
    complete
}

complete() { # what checks itself: a jar that did not come costs no second set-up
    "$venv/bin/python" -m lake.engine.jars
    "$venv/bin/python" -m lake.engine.archive
}

ensure_set_up() {
    is_set_up && return
    (
        if command -v flock >/dev/null && ! flock -n 9; then
            echo "Another set-up is running here; waiting for it." >&2
            flock 9
        fi
        is_set_up || set_up 9>&-
    ) 9<"$home"
}

# ---- what was asked for

nearest() { # nearest WORD: of the words on standard input, the one most like it
    awk -v word="$1" '
        function least(a, b, c) { a = a < b ? a : b; return a < c ? a : c }
        function distance(a, b,   i, j, row, before, kept) {
            for (j = 0; j <= length(b); j++) row[j] = j
            for (i = 1; i <= length(a); i++) {
                before = row[0]; row[0] = i
                for (j = 1; j <= length(b); j++) {
                    kept = row[j]
                    row[j] = least(row[j] + 1, row[j - 1] + 1, before + (substr(a, i, 1) != substr(b, j, 1)))
                    before = kept
                }
            }
            return row[length(b)]
        }
        { d = distance(word, $0); if (NR == 1 || d < best) { best = d; name = $0 } }
        END { if (name != "" && best <= 1 + length(word) / 3) print name }
    '
}

submit() { # submit JOB [args]
    local job=$1 code=0
    shift
    export PATH="$venv/bin:$PATH" PYSPARK_PYTHON="$venv/bin/python" PYSPARK_DRIVER_PYTHON="$venv/bin/python"
    export ROBOLAKE_HOME="$home"
    unset SPARK_HOME SPARK_CONF_DIR # of another Spark on this machine
    if [[ $job == simulate || $job == report || $job == maintain ]]; then
        exec "$venv/bin/python" "$home/jobs/$job.py" "$@"
    fi
    find_java
    mkdir -p "$home/var/run"
    find "$home/var/run" -name '*.properties' -mmin +1440 -delete
    ROBOLAKE_PROPERTIES=$(mktemp "$home/var/run/$job.XXXXXX.properties")
    export ROBOLAKE_PROPERTIES
    "$venv/bin/python" -m lake.engine.preflight "$job" "$@" || code=$?
    if [[ $code != 0 || ! -s $ROBOLAKE_PROPERTIES ]]; then
        rm -f "$ROBOLAKE_PROPERTIES"
        exit $((code == 10 ? 0 : code))
    fi
    if grep -Eq '^spark\.master[ =:]+(local|spark://127\.)' "$ROBOLAKE_PROPERTIES"; then
        raise_loopback
        export SPARK_LOCAL_IP="${SPARK_LOCAL_IP:-127.0.0.1}"
    fi
    exec "$venv/bin/spark-submit" --properties-file "$ROBOLAKE_PROPERTIES" "$home/jobs/$job.py" "$@"
}

main() {
    local word=${1:-} near
    case $word in
        "" | -h | --help | help)
            usage
            return
            ;;
        setup)
            ensure_set_up
            find_java
            raise_loopback
            complete
            return
            ;;
    esac
    if [[ $word == [a-z]* && $word != */* && -f $home/jobs/$word.py ]]; then
        ensure_set_up
        submit "$@"
    elif [[ " $verbs " == *" $word "* ]]; then
        ensure_set_up
        ROBOLAKE_HOME=$home exec "$venv/bin/lake" "$@"
    fi
    near=$({ job_names && tr ' ' '\n' <<<"setup $verbs"; } | nearest "$word")
    complain "Unknown job or verb \"$word\"." "${near:+Did you mean \"$near\"? }./spark-submit.sh --help lists all."
}

main "$@"
