//! One client's connection: its requests in order, each answered before the next is read.
//!
//! Fetches are answered here; every other request is passed to the engine's own handler
//! through a socket pair, since that handler owns a stream and knows every other message.

use std::io::{self, BufReader, BufWriter, Read};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::thread;

use kafka_protocol::messages::ApiKey;
use noida::kafka::codec::{read_frame, write_frame};
use noida::kafka::connection::handle_connection;
use noida::kafka::engine::Engine;

use super::changes::Changes;
use super::fetch;

/// Serves `client` until it goes or the broker closes the stream.
pub(super) fn serve(client: &TcpStream, engine: &Engine, changes: &Changes) -> io::Result<()> {
    client.set_nodelay(true)?;
    let engine_side = connect_engine(engine)?;
    let mut requests = BufReader::new(client);
    let mut responses = BufWriter::new(client);
    let mut to_engine = BufWriter::new(&engine_side);
    let mut from_engine = BufReader::new(&engine_side);
    while let Some(request) = read_frame(&mut requests)? {
        let key = api_key(&request);
        if key == Some(ApiKey::Fetch) {
            let response = fetch::answer(engine, changes, request.freeze())?;
            write_frame(&mut responses, &response)?;
            continue;
        }
        write_frame(&mut to_engine, &request)?;
        let response = read_response(&mut from_engine)?;
        if matches!(key, Some(ApiKey::Produce | ApiKey::EndTxn)) {
            changes.notify();
        }
        write_frame(&mut responses, &response)?;
    }
    Ok(())
}

/// Starts the engine's handler on one end of a socket pair and returns the other.
///
/// The handler asks for a TCP stream but only reads and writes it, which any stream
/// socket does; it ends when our end is closed.
fn connect_engine(engine: &Engine) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = TcpStream::from(OwnedFd::from(theirs));
    let engine = engine.clone();
    thread::Builder::new()
        .name("broker-engine".to_owned())
        .spawn(move || handle_connection(theirs, engine))?;
    Ok(ours)
}

/// The engine closes its end when it cannot read a request.
fn read_response(from_engine: &mut impl Read) -> io::Result<bytes::BytesMut> {
    read_frame(from_engine)?.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "the engine could not read a request",
        )
    })
}

fn api_key(request: &[u8]) -> Option<ApiKey> {
    let key = i16::from_be_bytes(*request.first_chunk()?);
    ApiKey::try_from(key).ok()
}
