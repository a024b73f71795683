# Runs the program "$@" for as long as standard input is open, then kills it. Ends with the exit status of the program.
#
# Each line on standard input is the name of a signal that the program gets. Whatever ends the process at the other side of
# the pipe, the kernel closes the pipe.
"$@" </dev/null &
program=$!

# Ctrl-C and a closing terminal concern the process at the other side of the pipe, which closes it when it is done.
trap '' INT HUP
# Does nothing but interrupt `read`, which ends the loop below.
trap : TERM
# Whoever reads the output sees its end when the program ends, not when this shell does.
exec >/dev/null 2>&1

while read -r signal; do
    kill -s "$signal" "$program"
done
kill -s KILL "$program"
wait "$program"
