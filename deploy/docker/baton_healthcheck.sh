#!/bin/bash
# Succeeds when the server of this container should get requests: /readyz on its REST port says 200. Where REST is off or under TLS, that
# the gRPC port accepts has to do. The ports are those of the server's own command line, the last of each flag.
for process in /proc/[0-9]*; do
  [[ $process/exe -ef /usr/bin/baton ]] || continue
  rest=8501 grpc=8500 tls=
  while IFS= read -r -d '' argument; do
    case $argument in
      --rest_api_port=*) rest=${argument#*=} ;;
      --port=*) grpc=${argument#*=} ;;
      --rest_api_ssl_config_file=?*) tls=yes ;;
    esac
  done <"$process/cmdline"
  if [[ $rest == 0 || -n $tls ]]; then
    exec 3<>"/dev/tcp/127.0.0.1/$grpc" && exit 0
    exit 1
  fi
  exec 3<>"/dev/tcp/127.0.0.1/$rest" || exit 1
  printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
  read -r _ status _ <&3
  [[ $status == 200 ]]
  exit
done
echo "no server" >&2
exit 1
