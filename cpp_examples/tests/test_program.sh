#!/bin/sh
# calogan-generate from outside: what it writes, prints and refuses.
# usage: test_program.sh PROGRAM MODEL hdf5|no-hdf5
program=$1
model=$2
hdf5=$3
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
failures=0

fail() {
  echo "FAILED: $1"
  failures=$((failures + 1))
}

# expect STATUS TEXT ARGUMENTS...: the exit status, and what the output must contain
expect() {
  status=$1
  wanted=$2
  shift 2
  out=$("$program" "$@" 2>&1)
  found=$?
  [ "$found" -eq "$status" ] || fail "$*: status $found, expected $status: $out"
  case $out in
    *"$wanted"*) ;;
    *) fail "$*: expected \"$wanted\" in: $out" ;;
  esac
}

expect 0 "examples" --help
expect 0 "calogan-generate 0." --version
expect 0 "--energy  1..50 GeV, log scale" "$model"
expect 0 "self-test: 3 cases" "$model"

expect 0 "200 showers in" "$model" --energy 10 --theta 0.1 -n 200 -o "$folder/a.csv"
head -n 1 "$folder/a.csv" | grep -q '^event,energy_GeV,theta_rad,layer,cell,x_mm,y_mm,z_mm,energy_MeV$' ||
  fail "header of the CSV: $(head -n 1 "$folder/a.csv")"
[ "$(tail -n 1 "$folder/a.csv" | cut -d, -f1-3)" = 199,10,0.1 ] || fail "last event of the CSV"

# Without -n and --seed, 1000 showers of seed 1; options in any order, before the model too.
expect 0 "1000 showers in" "$model" --energy 10 --theta 0.1 -o "$folder/defaults.csv"
expect 0 "1000 showers in" --seed=1 -o "$folder/given.csv" --theta 0.1 -n 1000 --energy 10:10 "$model"
cmp "$folder/defaults.csv" "$folder/given.csv" || fail "the defaults are not -n 1000 --seed 1"
expect 0 "give different showers" --help

# Same showers whatever the batch and the threads; other ones for another seed; jobs join up.
range="--energy 1:50 --theta=0:0.35"
expect 0 "mean response" "$model" $range -n 100 -o "$folder/b.csv" --seed 3
expect 0 "2 threads" "$model" $range -n 100 -o "$folder/c.csv" --seed 3 --threads 2 --batch 7
cmp "$folder/b.csv" "$folder/c.csv" || fail "threads and batch change showers"
expect 0 "" "$model" $range -n 100 -o "$folder/d.csv" --seed 4
cmp -s "$folder/b.csv" "$folder/d.csv" && fail "the seed changes nothing"
expect 0 "" "$model" $range -n 60 -o "$folder/e.csv" --seed 3
expect 0 "" "$model" $range -n 40 -o "$folder/f.csv" --seed 3 --first-event 60
tail -n +2 "$folder/f.csv" | cat "$folder/e.csv" - | cmp - "$folder/b.csv" || fail "--first-event"

# An end beyond the trained range is refused at once, whatever would be drawn; its own ends are not.
expect 0 "mean response" "$model" --energy 1:50 --theta 0:0.35 -n 2000
expect 2 "takes energy 1..50 GeV, was asked for 51 GeV" "$model" --energy 1:51 --theta 0.1 -n 1
expect 2 "takes energy 1..50 GeV, was asked for 0.9 GeV" "$model" --energy 0.9:50 --theta 0.1 -n 1
expect 2 "takes theta 0..0.35 rad, was asked for 0.353 rad" "$model" --energy 10 --theta 0:0.353 -n 1
expect 0 "mean response" "$model" --energy 1:51 --theta 0:0.353 -n 10 --allow-extrapolation

# A compiled model is the same model.
compiled="$folder/model.calogan"
expect 0 "wrote $compiled" "$model" --compile "$compiled"
expect 0 "compiled to float32 from JSON with SHA-256 $(sha256sum "$model" | cut -d' ' -f1)" "$compiled"
expect 0 "100 showers in" "$compiled" $range -n 100 -o "$folder/h.csv" --seed 3
cmp "$folder/h.csv" "$folder/b.csv" || fail "a compiled model gives other showers"
expect 0 "wrote $compiled" "$model" --weights int8 --compile "$compiled"
expect 0 "compiled to int8 from JSON" "$compiled"
expect 2 "compiled already" "$compiled" --compile "$folder/again.calogan"
expect 2 "would be replaced" "$model" --compile "$model"
expect 2 "expected float32, bfloat16 or int8" "$model" --compile "$compiled" --weights float16
expect 2 "--weights is for --compile" "$model" --weights int8
expect 2 "compile first, then generate" "$model" --compile "$compiled" -n 5
head -c 3000 "$compiled" > "$folder/cut.calogan"
expect 2 "it is cut short; compile it again" "$folder/cut.calogan"

# A bundle takes a model's place: bundle.json stands beside the model.
bundle=$(dirname "$model")
expect 0 "3 members, of which the first is low" "$bundle"
expect 0 "--particle  11..22" "$bundle"
photon="--theta 0.1 --particle 22"
expect 0 "50 showers in" "$bundle" --energy 2:5 $photon -n 50 --seed 3 -o "$folder/i.csv"
expect 0 "50 showers in" "$model" --energy 2:5 --theta 0.1 -n 50 --seed 3 -o "$folder/j.csv"
cut -d, -f1-3,5- "$folder/i.csv" | cmp - "$folder/j.csv" || fail "a bundle's showers are not its member's"
expect 0 "" "$bundle" --energy 5:9 $photon -n 100 --seed 3 -o "$folder/k.csv"
expect 0 "" "$bundle" --energy 5:9 $photon -n 100 --seed 3 -o "$folder/l.csv" --threads 2 --batch 7
cmp "$folder/k.csv" "$folder/l.csv" || fail "threads and batch change a bundle's showers"
expect 2 "covered, all else as asked, is particle 11, 22" "$bundle" --energy 2 --theta 0.1 --particle 11:22 -n 1
expect 0 "mean cells 0 over 1e+09 MeV" "$bundle" --energy 5:9 $photon -n 5 --threshold 1e9
expect 2 "no member for energy 30 GeV" "$bundle" --energy 30 --theta 0.1 --particle 11 -n 1
expect 2 "is for a single model" "$bundle" --energy 2 $photon --allow-extrapolation
expect 2 "is for a single model" "$bundle" --energy 2 $photon --latents "$folder/a.h5"
expect 2 "bundle.json: No such file" "$folder"
expect 2 "is a bundle; compile its members before they are bundled" "$bundle" --compile "$compiled"

if [ "$hdf5" = hdf5 ]; then
  expect 0 "wrote" "$bundle" --energy 5:9 $photon -n 100 --seed 3 -o "$folder/b.h5"
  expect 0 "100 showers" "$bundle" --like "$folder/b.h5" --seed 3 -o "$folder/m.csv"
  cmp "$folder/m.csv" "$folder/k.csv" || fail "--like does not give a bundle's showers again"
  expect 0 "wrote" "$model" $range -n 100 -o "$folder/a.h5" --seed 3
  expect 0 "100 showers" "$model" --like "$folder/a.h5" --seed 3 -o "$folder/g.csv"
  cmp "$folder/g.csv" "$folder/b.csv" || fail "--like does not give the same showers again"
  expect 2 "--like gives all conditions; leave out --theta" "$model" --theta 0.2 --like "$folder/a.h5"
  expect 2 "no data set latents" "$model" --like "$folder/a.h5" --latents "$folder/a.h5"
  expect 2 "gives the number of showers" "$model" --like "$folder/a.h5" -n 5
  expect 2 "is it an HDF5 file?" "$model" --like "$model"
else
  expect 2 "built without HDF5" "$model" --energy 10 --theta 0.1 -n 1 -o "$folder/a.h5"
fi

expect 2 "no model file" -n 5
expect 2 "no option --enrgy, and no such condition in the model; nearest: --energy" "$model" --enrgy 10
expect 2 "nearest: --threads" "$model" --thread 10
expect 2 "no option -x" "$model" -x
expect 2 "the model needs --theta (0..0.35 rad)" "$model" --energy 10 -n 5
expect 2 "--number is \"ten\"" "$model" -n ten
expect 2 "--number is \"0\"" "$model" -n 0
expect 2 "--energy is \"x\", expected a number" "$model" --energy 1:x -n 5
expect 2 "expected LOW:HIGH with LOW <= HIGH" "$model" --energy 5:1 --theta 0.1 -n 5
expect 2 "expected LOW > 0" "$model" --energy 0:1 --theta 0.1 -n 5
expect 2 "--energy is given twice" "$model" --energy 5 --energy 6
expect 2 "--seed needs a value" "$model" --seed
expect 2 "got two models" "$model" "$model"
expect 2 "cannot open $folder/none.json" "$folder/none.json" -n 1

# The ending of the output says its format, and is looked at first: before the model is.
for name in a.txt:.txt a: a.csv.gz:.gz a.CSV:.CSV .csv: a.h5/b:; do
  output="$folder/${name%%:*}"
  expect 2 "cannot write $output: its ending is '${name#*:}', expected .csv, .h5 or .hdf5" \
    "$folder/none.json" --energy 10 --theta 0.1 -n 1 -o "$output"
done

# What is not for the user to mend ends with 1: here, memory for a batch of 100 GB.
if (ulimit -v 1000000) 2>/dev/null; then
  out=$(ulimit -v 1000000; "$program" "$model" --energy 10 --theta 0.1 -n 1000000000 \
    --batch 1000000 --threads 1000 2>&1)
  [ $? -eq 1 ] || fail "out of memory: status is not 1: $out"
fi

# A run that fails leaves no file, and spares the one that was there.
echo old > "$folder/old.csv"
expect 2 "was asked for 120 GeV; allow extrapolation" "$model" --energy 120 --theta 0.1 -n 5 -o "$folder/old.csv"
expect 2 "takes energy 1..50 GeV" "$model" --energy 40:900 --theta 0.1 -n 500 -o "$folder/old.csv"
[ "$(cat "$folder/old.csv")" = old ] || fail "a failed run overwrote a file"
ls "$folder" | grep -q tmp && fail "a temporary file was left: $(ls "$folder")"
expect 0 "wrote" "$model" --energy 120 --theta 0.1 -n 5 --allow-extrapolation -o "$folder/old.csv"
expect 0 "mean cells 0 over 1e+09 MeV" "$model" --energy 10 --theta 0.1 -n 5 --threshold 1e9
[ -w /dev/full ] && expect 2 "cannot" "$model" --energy 10 --theta 0.1 -n 5 -o /dev/full/x.csv

[ "$failures" -eq 0 ] && echo "the program does as its help says"
exit "$failures"
