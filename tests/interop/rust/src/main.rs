// The interop client in Rust (tonic); see ../../README.md for what every client does.
use bytes::{Buf, BufMut};
use std::time::{Duration, Instant};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

// Messages are bytes here: the schema is not what this test is about.
#[derive(Default, Clone)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Raw;
    type Decoder = Raw;
    fn encoder(&mut self) -> Raw {
        Raw
    }
    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;
    fn encode(&mut self, item: Vec<u8>, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; from.remaining()];
        from.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

async fn call(channel: &Channel, bytes: &[u8], timeout: Duration) -> (Code, String, Vec<u8>) {
    let mut client = tonic::client::Grpc::new(channel.clone());
    if let Err(error) = client.ready().await {
        return (Code::Unavailable, error.to_string(), vec![]);
    }
    let mut request = Request::new(bytes.to_vec());
    request.set_timeout(timeout);
    let path = http::uri::PathAndQuery::from_static("/tensorflow.serving.PredictionService/Predict");
    match client.unary(request, path, Raw).await {
        Ok(response) => (Code::Ok, String::new(), response.into_inner()),
        Err(status) => (status.code(), status.message().to_string(), vec![]),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let read = |name: &str| std::fs::read(format!("{}/{}.bin", arguments[2], name));
    let (predict, missing, slow) = (read("predict")?, read("missing")?, read("slow")?);
    let channel = Endpoint::from_shared(format!("http://{}", arguments[1]))?.connect_lazy();
    let long = Duration::from_secs(10);

    let (code, _, bytes) = call(&channel, &predict, long).await;
    println!("unary {} {}", code as i32, hex(&bytes));
    let (code, message, _) = call(&channel, &missing, long).await;
    println!("error {} {}", code as i32, message);
    let started = Instant::now();
    let (code, _, _) = call(&channel, &slow, Duration::from_millis(200)).await;
    println!("deadline {} {}", code as i32, started.elapsed().as_millis());

    let pending = tokio::spawn({
        let channel = channel.clone();
        async move { call(&channel, &slow, Duration::from_secs(10)).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await; // lets the task's call go first; the next one follows it on the wire
    call(&channel, &predict, long).await;
    println!("inflight");
    let (code, _, bytes) = pending.await?;
    println!("slow {} {}", code as i32, hex(&bytes));
    loop {
        let (code, _, bytes) = call(&channel, &predict, long).await;
        if code != Code::Unavailable {
            println!("again {} {}", code as i32, hex(&bytes));
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
