#!/usr/bin/env bash
# The Geant4 example in full and in fast simulation, the same photons in both: time, memory, and how alike
# the showers are. benchmarks/geant4.sh [PHOTONS]: a thousand at each energy unless told otherwise, about
# ten minutes of processor time, and three for the comparison. Results: benchmarks/geant4.md.
set -euo pipefail
cd "$(dirname "$0")/.."
n=${1:-1000}
out=build/geant4-benchmark
calogan=$PWD/.venv/bin/calogan
program=$PWD/build/cpp/examples/geant4/lar_showers
model=$PWD/data/models/lar_photons/generator.json
[ -x "$program" ] || { echo "no $program: make cpp GEANT4_DIR=..., where Geant4 is" >&2; exit 2; }
for file in "${GEANT4_DIR:-build/geant4}"/{geant4-env.sh,bin/geant4.sh}; do
  # shellcheck disable=SC1090
  [ ! -f "$file" ] || . "$file"
done
mkdir -p $out
cd $out

# Runs the program on a macro; prints its report, and the most memory that it had.
simulate() {
  echo "== lar_showers ${*/#*\//}"
  python3 - "$program" "$@" <<'P'
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, "MB at most", flush=True)
sys.exit(done.returncode)
P
}

for kind in fast full; do
  {
    echo "/lar/simulation $kind"
    for energy in 5 20 45; do
      printf '/lar/energy %d %d GeV\n/lar/output %s_%d.root\n/run/beamOn %d\n' \
          $energy $energy $kind $energy "$n"
    done
    printf '/lar/energy 1 50 GeV\n/lar/output %s.root\n/run/beamOn %d\n' $kind $((3 * n))
  } >$kind.mac
done
simulate --model "$model" fast.mac
simulate full.mac
# What a shower costs where there are many.
printf '/lar/simulation fast\n/lar/output many.root\n/run/beamOn %d\n' $((20 * n)) >many.mac
for threads in 1 2; do simulate --model "$model" --threads $threads many.mac; done

reports=()
for name in _5 _20 _45 ""; do
  for kind in full fast; do "$calogan" voxelize $kind$name.root -o $kind$name.h5 >/dev/null; done
  "$calogan" evaluate fast$name.h5 --reference full$name.h5 --threshold 0.3 \
      --output report$name >/dev/null
  reports+=(report$name)
done
"$calogan" compare "${reports[@]}"
