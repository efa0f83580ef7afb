# Installs the build to a scratch prefix, builds tests/consumer against it and runs the result; where
# Geant4 is, the example for it too, as a project of its own.
function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${out}")
  endif()
endfunction()

set(scratch ${BUILD}/install-test)
file(REMOVE_RECURSE ${scratch})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${scratch}/prefix)
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${scratch}/build -DCMAKE_PREFIX_PATH=${scratch}/prefix
    -DMINIMAL=${SOURCE}/../../examples/minimal.cpp -DCMAKE_CXX_COMPILER=${COMPILER}
    "-DCMAKE_CXX_FLAGS=${FLAGS}")
run(${CMAKE_COMMAND} --build ${scratch}/build)
run(${scratch}/build/consumer ${MODEL})
if(GEANT4)
  run(${CMAKE_COMMAND} -S ${SOURCE}/../../examples/geant4 -B ${scratch}/geant4
      -DCMAKE_PREFIX_PATH=${scratch}/prefix -DGeant4_DIR=${GEANT4} -DCMAKE_BUILD_TYPE=Debug
      -DCMAKE_CXX_COMPILER=${COMPILER} "-DCMAKE_CXX_FLAGS=${FLAGS}")
  run(${CMAKE_COMMAND} --build ${scratch}/geant4)
  run(${scratch}/geant4/lar_showers --help)
endif()
