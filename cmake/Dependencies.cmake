# Everything comes from Debian 12 packages. Abseil and protobuf are linked statically and hidden: an engine plug-in
# brings its own copies, and a shared one here would be used by both (docs/adr/0001-engine-abi.md).
find_package(Threads REQUIRED)
find_package(absl REQUIRED)
# Debian's CMake files name Abseil's shared libraries; the static ones lie beside them.
get_property(_targets DIRECTORY PROPERTY IMPORTED_TARGETS)
foreach(_target ${_targets})
  if(_target MATCHES "^absl::")
    get_target_property(_shared ${_target} IMPORTED_LOCATION_NONE)
    if(_shared MATCHES "^(.*)\\.so(\\.[0-9.]+)?$")
      set_target_properties(${_target} PROPERTIES IMPORTED_LOCATION_NONE "${CMAKE_MATCH_1}.a")
    endif()
  endif()
endforeach()
find_package(ZLIB REQUIRED)
# Static, as all that an engine may bring too: TensorFlow's libraries look BoringSSL's functions up by the same names, and
# would find those of a shared OpenSSL first.
set(OPENSSL_USE_STATIC_LIBS ON)
if(OPENSSL_SSL_LIBRARY MATCHES "\\.so$")
  unset(OPENSSL_SSL_LIBRARY CACHE)  # found by a tree that was configured before
  unset(OPENSSL_CRYPTO_LIBRARY CACHE)
endif()
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
