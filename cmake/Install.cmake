# `cmake --install build/release --prefix P`: a tree that may be moved and needs nothing of the build machine.
#   bin/baton, bin/tensorflow_model_server     lib/baton/engines/   the plug-ins, and beside them their vendors' libraries

install(TARGETS baton RUNTIME DESTINATION bin)
install(CODE [[file(CREATE_LINK baton "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/bin/tensorflow_model_server" SYMBOLIC)]])

# baton_install_libraries(tensorflow FILES...): what the plug-in of this name loads at run time.
function(baton_install_libraries engine)
  if(TARGET baton_engine_${engine})
    set_target_properties(baton_engine_${engine} PROPERTIES INSTALL_RPATH "$ORIGIN")
    install(FILES ${ARGN} DESTINATION lib/baton/engines)
  endif()
endfunction()

baton_install_libraries(tensorflow
  ${BATON_TENSORFLOW_DIR}/libtensorflow_cc.so.2 ${BATON_TENSORFLOW_DIR}/libtensorflow_framework.so.2)
if(EXISTS ${BATON_LITERT_DIR}/libLiteRt.so)
  baton_install_libraries(tflite ${BATON_LITERT_DIR}/libLiteRt.so)
endif()
