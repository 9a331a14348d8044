#!/bin/bash
# Starts the server as the images of TensorFlow Serving do: same variables, same flags, the container's arguments last. `exec`, so that
# the server is the process that gets the container's SIGTERM, and can finish what it is doing.
flags=(--port=8500 --rest_api_port=8501 "--model_name=${MODEL_NAME:-model}"
       "--model_base_path=${MODEL_BASE_PATH:-/models}/${MODEL_NAME:-model}")
# As the images built for oneDNN (-mkl) take them.
[[ -z $TENSORFLOW_INTRA_OP_PARALLELISM ]] || flags+=("--tensorflow_intra_op_parallelism=$TENSORFLOW_INTRA_OP_PARALLELISM")
[[ -z $TENSORFLOW_INTER_OP_PARALLELISM ]] || flags+=("--tensorflow_inter_op_parallelism=$TENSORFLOW_INTER_OP_PARALLELISM")
exec tensorflow_model_server "${flags[@]}" "$@"
