# Everything comes from Debian 12 packages. Abseil and protobuf are linked statically and hidden: an engine plug-in
# brings its own copies, and a shared one here would be used by both (docs/adr/0001-engine-abi.md).
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
find_package(ZLIB REQUIRED)
find_package(OpenSSL REQUIRED)

set(Protobuf_USE_STATIC_LIBS ON)
find_package(Protobuf REQUIRED)

find_path(NGHTTP2_INCLUDE_DIR nghttp2/nghttp2.h REQUIRED)
find_library(NGHTTP2_LIBRARY NAMES libnghttp2.a REQUIRED)
add_library(nghttp2::nghttp2 STATIC IMPORTED)
set_target_properties(nghttp2::nghttp2 PROPERTIES IMPORTED_LOCATION ${NGHTTP2_LIBRARY}
                      INTERFACE_INCLUDE_DIRECTORIES ${NGHTTP2_INCLUDE_DIR}
                      INTERFACE_COMPILE_DEFINITIONS NGHTTP2_STATICLIB)
if(BATON_TESTS)
  find_package(GTest REQUIRED)
endif()
