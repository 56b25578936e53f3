//! One connection to an ingress. It must read no more of an answer than it needs to know where the answer ends.

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Header fields of an answer, at most.
const MAX_FIELDS: usize = 32;

/// See the module.
pub(super) struct Wire {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Wire {
    pub(super) async fn to(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(2_048) })
    }

    /// The body of a page.
    pub(super) async fn page(&mut self, path: &str) -> Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
        let status = self.ask(request.as_bytes()).await?;
        ensure!(status == 200, "{path} answered {status}");
        let text = String::from_utf8_lossy(&self.answer);
        Ok(text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    }

    /// Sends a request and reads its answer; the status.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the connection was closed");
            if let Some((status, length)) = head(&self.answer)?
                && self.answer.len() >= length
            {
                ensure!(status < 500 && status != 401, "{}", String::from_utf8_lossy(&self.answer));
                return Ok(status);
            }
        }
    }
}

/// The status of an answer and its whole length, once its head is here.
fn head(answer: &[u8]) -> Result<Option<(u16, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head) = response.parse(answer)? else { return Ok(None) };
    let status = response.code.context("an answer has a status")?;
    let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.context("an answer says how long it is")?;
    Ok(Some((status, head + std::str::from_utf8(length.value)?.parse::<usize>()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_head_says() {
        let answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nbody";
        assert_eq!(head(answer).unwrap(), Some((202, answer.len())));
        assert_eq!(head(&answer[..30]).unwrap(), None, "the head is not all here");
        assert!(head(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "its end is unknown");
    }
}
