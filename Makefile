# make demo: ROOT hits to C++ showers in one go.  make test: every test.  make help: the rest.
VENV := .venv
BIN := $(VENV)/bin
BUILD := build
CPP := $(BUILD)/cpp
SAMPLE := data/lar_photons
export TF_CPP_MIN_LOG_LEVEL := 3

# Geant4, for the example that needs it: GEANT4_DIR says where it is, or what stands beside the checkout
# installs it, or CMake finds it (CMAKE_PREFIX_PATH). Without it the example is left out.
GEANT4_INSTALLER := $(wildcard ../shared/geant4/install.sh)
ifndef GEANT4_DIR
ifneq ($(GEANT4_INSTALLER),)
GEANT4_DIR := $(CURDIR)/$(BUILD)/geant4
GEANT4_READY := $(BUILD)/geant4.ready
endif
endif
# Where Geant4's programs find its data files.
WITH_GEANT4 = for f in $(GEANT4_DIR)/{geant4-env.sh,bin/geant4.sh}; do [ ! -f $$f ] || . $$f; done;
test-python test-cpp: SHELL := bash

.PHONY: help setup demo benchmark-cpp test test-python test-cpp wheel sanitize lint lint-cpp clean
.DELETE_ON_ERROR:

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

setup: $(VENV)/.ready ## make .venv with calogan, lwtnn-converter and the tools for developers

$(VENV)/.ready: pyproject.toml export/pyproject.toml constraints.txt .ci/system-packages
	.ci/system-packages
	python3 -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ./export -e '.[dev,docs]'
	touch $@

$(CPP)/CMakeCache.txt: $(VENV)/.ready cpp_examples/CMakeLists.txt
	cmake -S cpp_examples -B $(CPP) -DCMAKE_BUILD_TYPE=Release -DCALOGAN_BUILD_TESTS=ON

$(BUILD)/geant4.ready:
	$(GEANT4_INSTALLER) $(BUILD)/geant4 || echo 'Geant4 was not installed: its example is left out'
	touch $@

.PHONY: cpp
cpp: $(CPP)/CMakeCache.txt $(GEANT4_READY) ## build the C++ runner, its program and tests; calogan.runner and calogan-generate work then
	$(if $(GEANT4_DIR),cmake -S cpp_examples -B $(CPP) -DGeant4_ROOT=$(GEANT4_DIR) >/dev/null)
	cmake --build $(CPP) --parallel 2
	cmake --install $(CPP) --component python --prefix .

demo: setup ## read, train, evaluate, export, generate with C++; ends with the report's path
	$(BIN)/calogan voxelize '$(SAMPLE)/train/*.root' -o $(BUILD)/train.h5
	$(BIN)/calogan voxelize '$(SAMPLE)/test/*.root' -o $(BUILD)/test.h5
	rm -rf $(BUILD)/demo
	$(BIN)/calogan train data/cards/demo.toml --out $(BUILD)/demo/run
	$(BIN)/calogan evaluate $(BUILD)/demo/run --reference $(BUILD)/test.h5 --output $(BUILD)/demo/report
	$(BIN)/calogan export $(BUILD)/demo/run -o $(BUILD)/demo/generator.json
	$(MAKE) --no-print-directory $(CPP)/CMakeCache.txt
	cmake --build $(CPP) --parallel 2 --target calogan-generate
	$(CPP)/calogan-generate $(BUILD)/demo/generator.json --energy 1:50 --theta 0:0.35 -n 10000 \
	    --seed 1 -o $(BUILD)/demo/showers.h5
	@echo
	@echo "report: $(CURDIR)/$(BUILD)/demo/report/report.html"

benchmark-cpp: $(BUILD)/benchmark/.ready ## C++ runner beside ONNX Runtime, and lwtnn if CMAKE_PREFIX_PATH has it
	cmake -S cpp_examples -B $(BUILD)/cpp-benchmark -DCMAKE_BUILD_TYPE=Release \
	    -DCALOGAN_BUILD_BENCHMARK=ON -DCALOGAN_BUILD_TESTS=OFF -DCALOGAN_BUILD_PROGRAM=OFF
	cmake --build $(BUILD)/cpp-benchmark --parallel 2 --target calogan_benchmark
	$(BUILD)/benchmark/venv/bin/python cpp_examples/benchmark/benchmark.py \
	    $(BUILD)/cpp-benchmark/benchmark/calogan_benchmark

$(BUILD)/benchmark/.ready: cpp_examples/benchmark/requirements.txt .ci/system-packages
	.ci/system-packages
	python3 -m venv $(BUILD)/benchmark/venv
	$(BUILD)/benchmark/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

test: test-python test-cpp ## every test

# One process a core: much of a test's time TensorFlow compiles, on one core.
WORKERS := -n logical --maxprocesses 4 --dist loadfile
test-python: setup cpp
	.ci/browser
	$(BIN)/python -m pytest $(WORKERS) export/tests
	$(WITH_GEANT4) $(BIN)/python -m pytest $(WORKERS) tests

test-cpp: cpp
	$(WITH_GEANT4) ctest --test-dir $(CPP) --output-on-failure

.PHONY: docs
docs: setup ## the documentation site, build/docs/index.html; its notebooks run, warnings are errors
	rm -rf $(BUILD)/docs
	$(BIN)/sphinx-build -q -W --keep-going -j auto -c docs . $(BUILD)/docs

# HDF5 goes into the program: Debian's shared one would bring thirty libraries into the wheel.
WHEEL := -C cmake.define.HDF5_USE_STATIC_LIBRARIES=ON -C cmake.define.CMAKE_EXE_LINKER_FLAGS=-Wl,--as-needed
# The licences of what the wheel holds of others, where Debian has them.
WHEEL += $(foreach package,libaec-dev libhdf5-dev libsimdjson-dev,\
    $(if $(wildcard /usr/share/doc/$(package)/copyright),\
    -C 'wheel.force-include./usr/share/doc/$(package)/copyright=$${SKBUILD_METADATA_DIR}/licenses/$(package)'))

wheel: export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
wheel: setup ## both distributions in dist/ (Linux), tried where there is no compiler
	rm -rf dist $(BUILD)/wheel
	$(BIN)/python -m build --outdir dist export
	$(BIN)/python -m build --outdir $(BUILD)/wheel $(WHEEL) .
	PATH=$(CURDIR)/$(BIN):$$PATH auditwheel repair --wheel-dir dist $(BUILD)/wheel/*.whl
	mv $(BUILD)/wheel/*.tar.gz dist
	.ci/try-wheels dist

# Addresses and undefined behaviour in one build, threads in another.
SANITIZE := cmake -S cpp_examples -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS=-O1 -DCALOGAN_BUILD_PROGRAM=OFF

sanitize: setup ## the C++ tests, and the fuzzers' corpus, with the sanitizers
	$(SANITIZE) -B $(BUILD)/sanitize -DCALOGAN_SANITIZE=ON
	cmake --build $(BUILD)/sanitize --parallel 2 --target calogan_tests \
	    replay_json replay_compiled replay_bundle
	ctest --test-dir $(BUILD)/sanitize --output-on-failure -L inside
	$(SANITIZE) -B $(BUILD)/sanitize-threads -DCALOGAN_TSAN=ON
	cmake --build $(BUILD)/sanitize-threads --parallel 2 --target calogan_tests
	ctest --test-dir $(BUILD)/sanitize-threads --output-on-failure -R '^(compiled_model|generator|bundle)$$'

CPP_SOURCES := $(addprefix cpp_examples/,src/*.cpp app/main.cpp app/options.cpp app/output.cpp fuzz/*.cpp)

lint-cpp: cpp ## clang-tidy on the C++ sources, where it is installed
	@if command -v clang-tidy >/dev/null; then \
	  cmake -S cpp_examples -B $(CPP) -DCMAKE_EXPORT_COMPILE_COMMANDS=ON >/dev/null && \
	  clang-tidy --quiet --extra-arg=-std=c++17 -p $(CPP) $(CPP_SOURCES); \
	else echo 'clang-tidy is not installed: C++ not checked'; fi

lint: setup ## ruff, mypy, and which room may import which
	$(BIN)/ruff check calogan tests benchmarks docs export cpp_examples
	$(BIN)/ruff format --check calogan tests benchmarks docs export cpp_examples
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	cd export && ../$(BIN)/mypy

clean: ## remove all that was made, .venv included; trained runs in runs/ stay
	rm -rf $(VENV) $(BUILD) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info export/*.egg-info
