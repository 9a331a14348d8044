/* The C ABI between Baton and an engine plug-in.
 *
 * A plug-in is a shared library that exports one function, baton_engine_entry. The host hands it a
 * table of host functions and gets back a table of engine functions. Everything else crosses as
 * plain structs.
 *
 * Versioning: every struct begins with struct_size, set by whoever fills it in; fields are only
 * ever appended, and a reader uses a field only when struct_size covers it. The tables carry
 * abi_major and abi_minor: major must match, and a plug-in's minor may be lower than the host's,
 * never higher.
 *
 * Ownership is in the name: _borrowed pointers live for the time stated; what is _owned_by_engine
 * is valid until its release function or the object that gave it is gone. A baton_status is created
 * by the host's status_new and freed by the host; NULL is success.
 *
 * Threads: functions of the engine and of a model may be called concurrently; an instance is called
 * by one thread at a time. Nothing may throw, print, fork, or install signal handlers; logging goes
 * through the host.
 *
 * Valid C11; includes only stddef.h and stdint.h. A new engine starts from engine_sdk.h, not from
 * here.
 */
#ifndef BATON_ENGINE_ABI_H_
#define BATON_ENGINE_ABI_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BATON_ENGINE_ABI_MAJOR 1
#define BATON_ENGINE_ABI_MINOR 1

/* Opaque to the plug-in. */
typedef struct baton_status baton_status;
/* Opaque to the host. */
typedef struct baton_engine baton_engine;
typedef struct baton_model baton_model;
typedef struct baton_instance baton_instance;

/* Bytes; not terminated by NUL. Also one element of a string tensor. */
typedef struct baton_str {
  const char* data;
  size_t size;
} baton_str;

typedef struct baton_option {
  baton_str key;
  baton_str value;
} baton_option;

typedef enum baton_memory { BATON_MEMORY_HOST = 0 } baton_memory;

/* A dense tensor, row-major, little-endian. dtype has TensorFlow's DataType numbers; a string
 * tensor's data is an array of baton_str. data of an input is aligned to 64 bytes or not, as it
 * came: an engine that needs alignment checks and copies. */
typedef struct baton_tensor {
  size_t struct_size;
  int32_t dtype;
  int32_t memory; /* baton_memory */
  uint32_t rank;
  uint32_t reserved;
  const int64_t* dims;
  const void* data;
  uint64_t bytes;
  /* Outputs only: the host calls release(release_context) once, on any thread, when nothing reads
   * dims and data any more. NULL: nothing to release. */
  void (*release)(void* release_context);
  void* release_context;
} baton_tensor;

/* An input or output of a signature. */
typedef struct baton_port {
  size_t struct_size;
  baton_str name;        /* the signature's key */
  baton_str tensor_name; /* the engine's own name, for messages and metadata */
  int32_t dtype;
  int32_t rank;        /* -1: unknown */
  const int64_t* dims; /* -1: unknown */
  int32_t has_default; /* inputs: 1 when a run may leave it out */
  int32_t reserved;
} baton_port;

typedef struct baton_signature {
  size_t struct_size;
  baton_str name;
  baton_str method_name;
  const baton_port* const* inputs; /* sorted by name */
  const baton_port* const* outputs;
  uint32_t num_inputs;
  uint32_t num_outputs;
} baton_signature;

/* What a loaded model is. Owned by the engine, valid until unload. */
typedef struct baton_model_description {
  size_t struct_size;
  const baton_signature* const* signatures;
  uint32_t num_signatures;
  uint32_t max_instances; /* 0: as many as the host likes */
  uint64_t memory_bytes;  /* measured or estimated size of the loaded model */
  /* A serialized tensorflow.serving.SignatureDefMap that is more exact than the ports; empty: the
   * host makes one. */
  baton_str signature_def_map;
} baton_model_description;

typedef enum baton_probe {
  BATON_PROBE_NO = 0,    /* not this engine's format */
  BATON_PROBE_MAYBE = 1, /* looks like it, but files are missing or cut: being written, or broken */
  BATON_PROBE_YES = 2
} baton_probe;

/* One execution. Everything is borrowed for the duration of the call, except that the data of
 * inputs stays valid and unchanged until the outputs are released as well: an output may point into
 * an input, but an engine that keeps an input for later runs copies it. When execute fails, outputs
 * with a release function are released all the same. */
typedef struct baton_run {
  size_t struct_size;
  uint32_t signature; /* index into the description */
  uint32_t num_inputs;
  const baton_tensor* const* inputs;
  const uint32_t* input_ports; /* inputs[i] feeds port input_ports[i] */
  uint32_t num_outputs;
  uint32_t threads; /* threads this run may use; 1: run in the calling thread */
  const uint32_t* output_ports;
  baton_tensor* outputs; /* num_outputs structs, struct_size set by the host, to be filled in */
  int64_t deadline_unix_nanos;   /* INT64_MAX: none */
  const volatile int* cancelled; /* may be NULL; non-zero: nobody waits for the result any more */
  /* Since 1.1. One run over several signatures of the model: inputs[i] feeds a port of signature
   * input_signatures[i], outputs[i] is one of output_signatures[i]. NULL: all are of `signature`.
   */
  const uint32_t* input_signatures;
  const uint32_t* output_signatures;
} baton_run;

typedef enum baton_severity {
  BATON_LOG_INFO = 0,
  BATON_LOG_WARNING = 1,
  BATON_LOG_ERROR = 2
} baton_severity;

typedef struct baton_host_api {
  size_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  /* code: canonical status code, not 0. The message is copied. */
  baton_status* (*status_new)(int32_t code, const char* message, size_t size);
  /* 64-byte aligned memory from the host's pool, for outputs. */
  void* (*buffer_alloc)(size_t bytes);
  void (*buffer_free)(void* buffer);
  void (*log)(int32_t severity, const char* message, size_t size);
} baton_host_api;

typedef struct baton_engine_api {
  size_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  const char* name;    /* "tensorflow"; static */
  const char* version; /* of the engine's library; static */

  baton_status* (*create)(const baton_option* options, size_t num_options, baton_engine** engine);
  /* Cheap: looks at file names and headers. `reason` is static or empty, and explains NO and MAYBE.
   */
  baton_probe (*probe)(baton_engine* engine, baton_str path, baton_str* reason);
  /* Upper bound of the memory a load of `path` takes, peaks included. */
  baton_status* (*estimate)(baton_engine* engine, baton_str path, uint64_t* bytes);
  baton_status* (*load)(baton_engine* engine, baton_str path, const baton_option* options,
                        size_t num_options, baton_model** model);
  const baton_model_description* (*describe)(baton_model* model);
  baton_status* (*instance_new)(baton_model* model, baton_instance** instance);
  baton_status* (*execute)(baton_instance* instance, const baton_run* run);
  void (*instance_free)(baton_instance* instance);
  /* Every instance is freed before; outputs may still be unreleased. */
  void (*unload)(baton_model* model);
  void (*destroy)(baton_engine* engine);
  /* Since 1.1, may be NULL. Questions beside the path of requests, by name (docs/engine_abi.md):
   * answers by calling give(context, ...) on this thread, pieces in order. UNIMPLEMENTED for a name
   * the engine does not know. */
  baton_status* (*query)(baton_engine* engine, baton_str what, const baton_option* options,
                         size_t num_options, void* context,
                         void (*give)(void* context, const char* bytes, size_t size));
} baton_engine_api;

/* The one exported symbol. Returns NULL when `host` is too old for the plug-in. Both tables live as
 * long as the process: plug-ins are never unloaded. */
#define BATON_ENGINE_ENTRY "baton_engine_entry"
typedef const baton_engine_api* (*baton_engine_entry_fn)(const baton_host_api* host);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BATON_ENGINE_ABI_H_ */
