// The interop client in JavaScript; see ../README.md for what every client does.
'use strict';
const fs = require('fs');
const grpc = require('@grpc/grpc-js');

const [address, folder] = process.argv.slice(2);
const method = '/tensorflow.serving.PredictionService/Predict';
const request = {};
for (const name of ['predict', 'missing', 'slow']) request[name] = fs.readFileSync(`${folder}/${name}.bin`);

// Messages are bytes here: the schema is not what this test is about.
const same = (bytes) => bytes;
const client = new grpc.Client(address, grpc.credentials.createInsecure());
const call = (bytes, millis) => new Promise((resolve) => {
  client.makeUnaryRequest(method, same, same, bytes, { deadline: Date.now() + millis }, (error, response) => {
    resolve(error ? { code: error.code, message: error.details, bytes: Buffer.alloc(0) }
                  : { code: 0, message: '', bytes: response });
  });
});
const pause = (millis) => new Promise((resolve) => setTimeout(resolve, millis));

async function main() {
  let answer = await call(request.predict, 10000);
  console.log('unary', answer.code, answer.bytes.toString('hex'));
  answer = await call(request.missing, 10000);
  console.log('error', answer.code, answer.message);
  const started = Date.now();
  answer = await call(request.slow, 200);
  console.log('deadline', answer.code, Date.now() - started);

  const slow = call(request.slow, 10000);
  await call(request.predict, 10000);
  console.log('inflight');
  answer = await slow;
  console.log('slow', answer.code, answer.bytes.toString('hex'));
  do {
    answer = await call(request.predict, 10000);
    if (answer.code === grpc.status.UNAVAILABLE) await pause(50);
  } while (answer.code === grpc.status.UNAVAILABLE);
  console.log('again', answer.code, answer.bytes.toString('hex'));
  client.close();
}
main();
