//! A connection to an ingress. It parses only the head of a response, to find the end of the body.

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Maximum number of header fields of a response.
const MAX_HEADERS: usize = 32;

/// Gets the body of a page.
pub(crate) async fn get(address: &str, path: &str) -> Result<String> {
    let mut connection = Connection::open(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
    let status = connection.send(request.as_bytes()).await?;
    ensure!(status == 200, "{path} answered {status}");
    let text = String::from_utf8_lossy(&connection.response);
    let (_, body) = text.split_once("\r\n\r\n").context("the response has a body")?;
    Ok(body.to_owned())
}

pub(super) struct Connection {
    stream: TcpStream,
    response: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, response: Vec::with_capacity(2_048) })
    }

    /// Sends a request, reads the response and returns its status.
    ///
    /// # Errors
    /// The connection failed, or the status is 401 or 5xx, which would make the measurement invalid.
    pub(super) async fn send(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.response.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.response).await? > 0, "the connection was closed");
            if let Some((status, length)) = head(&self.response)?
                && self.response.len() >= length
            {
                ensure!(status < 500 && status != 401, "{}", String::from_utf8_lossy(&self.response));
                return Ok(status);
            }
        }
    }
}

/// Status and total length of a response; `None` while its head is incomplete.
fn head(response: &[u8]) -> Result<Option<(u16, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = parsed.parse(response)? else { return Ok(None) };
    let status = parsed.code.context("a response has a status")?;
    let length = parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.context("a response has a Content-Length")?;
    Ok(Some((status, head + std::str::from_utf8(length.value)?.parse::<usize>()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_ends_after_its_content_length() {
        let response = b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nbody";
        assert_eq!(head(response).unwrap(), Some((202, response.len())));
        assert_eq!(head(&response[..30]).unwrap(), None, "the head is incomplete");
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "its end is unknown");
    }
}
