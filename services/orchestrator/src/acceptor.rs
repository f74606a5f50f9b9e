//! Taking connections: small answers leave at once, and running out of file descriptors does not burn a core.

use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use std::io;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// Some connection must end before another can be taken.
const PAUSE: Duration = Duration::from_millis(50);

/// The listening socket.
pub struct TcpAcceptor {
    listener: TcpListener,
    address: LocalAddr,
}

impl TcpAcceptor {
    /// Takes connections from `listener`.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        let address = LocalAddr(listener.local_addr()?.into());
        Ok(Self { listener, address })
    }
}

impl Acceptor for TcpAcceptor {
    type Io = TcpStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![self.address.clone()]
    }

    async fn accept(&mut self) -> io::Result<(TcpStream, LocalAddr, RemoteAddr, Scheme)> {
        match self.listener.accept().await {
            Ok((stream, peer)) => {
                stream.set_nodelay(true)?;
                Ok((stream, self.address.clone(), RemoteAddr(peer.into()), Scheme::HTTP))
            }
            Err(error) => {
                tracing::warn!(error = &error as &(dyn std::error::Error + 'static), "a connection was not taken");
                tokio::time::sleep(PAUSE).await;
                Err(error) // the server tries again
            }
        }
    }
}
