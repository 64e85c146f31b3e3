//! The opening handshake of a raw peer, both roles, correct: what is wrong with a peer usually comes later.
//!
//! For a wrong handshake send the bytes; RFC 6455 §4.

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use ws_handler::{ClientRequest, HeadReader, OriginPolicy, RequestHead, ServerHandshake};
use ws_handler::{encode_request, encode_response};

use super::error::PeerError;
use super::raw::RawPeer;

impl<IO: AsyncRead + AsyncWrite + Unpin> RawPeer<IO> {
    /// As a server: reads the request and answers 101 with this subprotocol (one of those offered) or with none.
    ///
    /// Not cancel safe: the request may be read and not answered.
    ///
    /// # Errors
    /// No valid upgrade request comes.
    pub async fn accept_upgrade(&mut self, subprotocol: Option<&str>) -> Result<RequestHead, PeerError> {
        let head = self.expect_head().await?;
        let other = |found: &str| PeerError::OtherHead {
            expected: "an upgrade request that this server accepts".into(),
            found: found.to_owned(),
        };
        let request = RequestHead::parse(&Bytes::from(head.clone())).map_err(|_| other(&head))?;
        let handshake = ServerHandshake::new().origin(OriginPolicy::any());
        let accepted = handshake
            .check(request.request())
            .and_then(|upgrade| upgrade.accept(subprotocol));
        let accepted = accepted.map_err(|_| other(&head))?;
        self.send_bytes(&encode_response(&accepted.response())).await?;
        Ok(request)
    }

    /// As a client: asks for an upgrade of this URL with these subprotocols, and gives the one that was chosen.
    ///
    /// Not cancel safe: the request may be out and its answer not read.
    ///
    /// # Errors
    /// No valid 101 comes, or the URL or a subprotocol cannot be sent.
    pub async fn request_upgrade(
        &mut self,
        url: &str,
        subprotocols: &[&str],
    ) -> Result<Option<String>, PeerError> {
        let unusable = |found: String| PeerError::OtherHead {
            expected: "a sendable request".into(),
            found,
        };
        let url = url.parse().map_err(|_| unusable(url.to_owned()))?;
        let request = ClientRequest::new(url).subprotocols(subprotocols.iter().copied());
        let request = request.map_err(|error| unusable(error.to_string()))?;
        let attempt = request.start().map_err(|error| unusable(error.to_string()))?;
        self.send_bytes(&encode_request(attempt.request())).await?;
        let head = self.expect_head().await?;
        let mut reader = HeadReader::new(Default::default());
        reader.handle_data(head.as_bytes());
        let response = reader.next_response().ok().flatten();
        let negotiated = response.and_then(|response| attempt.judge(&response).ok());
        let expected = "a valid 101".into();
        let negotiated = negotiated.ok_or(PeerError::OtherHead {
            expected,
            found: head,
        })?;
        Ok(negotiated.subprotocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn two_raw_peers_shake_hands() {
        let (client, server) = tokio::io::duplex(4096);
        let (mut client, mut server) = (RawPeer::new(client), RawPeer::new(server));
        let asking = client.request_upgrade("ws://localhost/chat", &["a", "b"]);
        let (chosen, request) = tokio::join!(asking, server.accept_upgrade(Some("b")));
        assert_eq!(chosen.unwrap().as_deref(), Some("b"));
        assert_eq!(request.unwrap().request().uri().path(), "/chat");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_no_101_is_told() {
        let (client, server) = tokio::io::duplex(4096);
        let (mut client, mut server) = (RawPeer::new(client), RawPeer::new(server));
        server
            .send_bytes(b"HTTP/1.1 404 Not Found\r\n\r\n")
            .await
            .unwrap();
        let error = client.request_upgrade("ws://localhost/", &[]).await.unwrap_err();
        assert!(error.to_string().contains("404"), "{error}");
    }
}
