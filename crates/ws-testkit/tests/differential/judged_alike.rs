//! What a server must refuse, tungstenite and we refuse both, and what it must take both take: the same frames give the
//! same data messages up to the first fault or Close frame. One exception: tungstenite takes lengths that are not minimal.
//!
//! The body of the fuzz target of that name; the corpus is replayed beside it.

use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;

use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocket};
use ws_proto::{Config, Event, ProtocolError, ReceivePath};

/// Reads the input, drops the output.
struct Wire<'a>(Cursor<&'a [u8]>);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Panics where the two differ.
pub(crate) fn judged_alike(data: &[u8]) {
    let mut ours = Vec::new();
    let mut bytes = data.to_vec();
    let mut input = bytes.as_mut_slice();
    let mut path = ReceivePath::new(ws_proto::Role::Server, Arc::new(Config::server()));
    let fault = loop {
        match path.next(&mut input) {
            Ok(Some(Event::Text(text))) => ours.push((true, text.as_bytes().to_vec())),
            Ok(Some(Event::Binary(bytes))) => ours.push((false, bytes.to_vec())),
            Ok(Some(Event::Close(_))) | Ok(None) => break None,
            Err(error) => break Some(error),
            Ok(Some(_)) => {}
        }
    };
    let mut theirs = Vec::new();
    let mut socket = WebSocket::from_raw_socket(Wire(Cursor::new(data)), Role::Server, None);
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => theirs.push((true, text.as_bytes().to_vec())),
            Ok(Message::Binary(bytes)) => theirs.push((false, bytes.to_vec())),
            Ok(Message::Close(_)) | Err(_) => break,
            Ok(_) => {}
        }
    }
    assert!(
        theirs.starts_with(&ours),
        "a message that only we take: {ours:?} {theirs:?}"
    );
    // RFC 6455 §5.2: "the minimal number of bytes MUST be used to encode the length".
    if fault != Some(ProtocolError::LengthNotMinimal) {
        assert_eq!(theirs, ours, "a message that only they take; we say {fault:?}");
    }
}
