//! Taking an address.

use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections that wait to be taken. Of a burst that is larger, clients try again after a second or three; the usual
/// 128 are fewer than the clients of one load balancer. The system may have a lower bound of its own.
const WAITING_MAX: u32 = 1_024;

/// Listens on the first address of `host` that can be listened on.
pub async fn listen(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut refused = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for address in lookup_host((host, port)).await? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    #[cfg(unix)]
    socket.set_reuseaddr(true)?; // connections of a server before this one may linger
    socket.bind(address)?;
    socket.listen(WAITING_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;
    use std::time::Duration;

    /// A connection that found no room is tried again after a second.
    const AT_ONCE: Duration = Duration::from_millis(900);

    #[tokio::test]
    async fn hundreds_of_connections_wait_until_they_are_taken() {
        let listener = listen("127.0.0.1", 0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, AT_ONCE).unwrap();
        let waiting: Vec<TcpStream> = (0..400).map(connect).collect();
        assert_eq!(waiting.len(), 400);
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_refused() {
        let first = listen("localhost", 0).await.unwrap();
        let port = first.local_addr().unwrap().port();
        let host = first.local_addr().unwrap().ip().to_string();
        assert_eq!(listen(&host, port).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
