# Runs the components of one control plane for as long as its standard input is open, then kills them and removes $1.
#
# $1 is the directory of the control plane. Standard input carries one command per line:
#   start NAME   runs NAME.sh with its output appended to NAME.log; NAME.pid exists while it runs, NAME.exit after it ended
#   kill NAME    ends it with SIGKILL
#   stop NAME    lets it run no further, until `cont NAME`
# Whatever ends the process at the other side of the pipe, the kernel closes the pipe. Ctrl-C and a closing terminal are
# ignored here, so that the components outlive them until that process has finished its own work.
trap '' INT HUP
# Does nothing but interrupt `read`, which ends the loop below.
trap : TERM

cd "$1" || exit 1

start() {
    (
        sh "./$1.sh" </dev/null >>"$1.log" 2>&1 &
        echo "$!" >"$1.pid.new"
        mv "$1.pid.new" "$1.pid"
        wait "$!"
        echo "$?" >"$1.exit.new"
        rm -f "$1.pid"
        mv "$1.exit.new" "$1.exit"
    ) </dev/null &
    # Without the process id on disk, the component could not be killed by the next command.
    until [ -f "$1.pid" ] || [ -f "$1.exit" ]; do
        sleep 0.02
    done
}

# Sends the signal $2 to a component that runs.
tell() {
    if [ -f "$1.pid" ]; then
        kill "-$2" "$(cat "$1.pid")"
    fi
}

while read -r action component; do
    case $action in
    start) start "$component" ;;
    kill) tell "$component" KILL ;;
    stop) tell "$component" STOP ;;
    cont) tell "$component" CONT ;;
    esac
done

for file in *.pid; do
    tell "${file%.pid}" KILL
done
wait
cd /
rm -rf -- "$1"
