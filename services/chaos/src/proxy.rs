//! A TCP proxy for each link of the installation, whose condition a fault sets: everything a network does to a
//! connection, without rights that only root has.
//!
//! [`condition`] is what can be wrong with a link; [`pipe`] carries the bytes of one direction under it. Here: accept,
//! connect, and end both directions together. What a condition swallowed cannot be made up for, so a connection that
//! has lost bytes is reset when the link heals, as it would be by the peer's kernel.

mod condition;
mod pipe;

pub use condition::{Condition, Direction};

use crate::error::{ChaosError, io};
use condition::Weather;
use pipe::Pipe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::watch;

/// One link: everything that connects to `port` reaches `target`, as far as the weather lets it.
pub struct Link {
    /// Whose link it is.
    pub name: String,
    /// Where clients connect, on 127.0.0.1.
    pub port: u16,
    weather: watch::Sender<Weather>,
    touched: Arc<AtomicU64>,
}

impl Link {
    /// Starts a proxy on a free port, in `runtime`: one of its own, so that nothing else that the harness does, such as
    /// writing to a slow disk, holds up the traffic.
    pub fn open(name: &str, target: u16, runtime: &Handle) -> Result<Self, ChaosError> {
        let _inside = runtime.enter();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(io("opening a link"))?;
        listener.set_nonblocking(true).map_err(io("opening a link"))?;
        let listener = TcpListener::from_std(listener).map_err(io("opening a link"))?;
        let port = listener.local_addr().map_err(io("opening a link"))?.port();
        let weather = watch::Sender::new(Weather::default());
        let touched = Arc::new(AtomicU64::new(0));
        tokio::spawn(accept(listener, target, weather.subscribe(), touched.clone()));
        Ok(Self { name: name.to_owned(), port, weather, touched })
    }

    /// Changes what happens on the link from now on.
    pub fn set(&self, condition: Condition) {
        self.weather.send_modify(|weather| weather.condition = condition);
    }

    /// Resets every connection of this moment.
    pub fn reset(&self) {
        self.weather.send_modify(|weather| weather.resets += 1);
    }

    /// How many chunks and connections a condition has touched so far.
    pub fn touched(&self) -> u64 {
        self.touched.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, target: u16, weather: watch::Receiver<Weather>, touched: Arc<AtomicU64>) {
    loop {
        let Ok((client, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await; // out of descriptors for a moment
            continue;
        };
        if weather.borrow().condition == Condition::Refuse {
            touched.fetch_add(1, Ordering::Relaxed);
            reset(&client);
            continue;
        }
        tokio::spawn(carry(client, target, weather.clone(), touched.clone()));
    }
}

async fn carry(client: TcpStream, target: u16, mut weather: watch::Receiver<Weather>, touched: Arc<AtomicU64>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else {
        reset(&client);
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let resets = weather.borrow_and_update().resets;
    let pipe = |direction| Pipe::new(direction, weather.clone(), touched.clone());
    let (mut requests, mut replies) = (pipe(Direction::Requests), pipe(Direction::Replies));
    let mut watched = weather.clone();
    let over = tokio::select! {
        end = requests.run(&client, &server) => end,
        end = replies.run(&server, &client) => end,
        _ = watched.wait_for(|weather| weather.resets != resets) => {
            touched.fetch_add(1, Ordering::Relaxed);
            pipe::End::Broken
        }
    };
    if over == pipe::End::Broken {
        reset(&client);
        reset(&server);
    }
}

/// Makes the kernel send RST instead of FIN when `stream` is dropped.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    const SHORT: Duration = Duration::from_millis(100);

    /// A link to a server that answers every byte with itself.
    async fn echo() -> (Link, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let target = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut peer, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = peer.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        let link = Link::open("link", target, &Handle::current()).unwrap();
        let client = TcpStream::connect(("127.0.0.1", link.port)).await.unwrap();
        (link, client)
    }

    async fn ask(client: &mut TcpStream, bytes: &[u8]) -> Option<Vec<u8>> {
        client.write_all(bytes).await.ok()?;
        let mut answer = vec![0; bytes.len()];
        timeout(SHORT, client.read_exact(&mut answer)).await.ok()?.ok()?;
        Some(answer)
    }

    #[tokio::test]
    async fn held_bytes_come_when_the_link_heals() {
        let (link, mut client) = echo().await;
        assert_eq!(ask(&mut client, b"a").await.unwrap(), b"a");
        link.set(Condition::Hold);
        assert_eq!(ask(&mut client, b"b").await, None);
        assert!(link.touched() > 0);
        link.set(Condition::Sound);
        let mut answer = [0];
        client.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"b");
    }

    #[tokio::test]
    async fn a_connection_that_lost_bytes_is_reset_when_the_link_heals() {
        let (link, mut client) = echo().await;
        link.set(Condition::Swallow(Direction::Replies));
        assert_eq!(ask(&mut client, b"a").await, None);
        link.set(Condition::Sound);
        client.write_all(b"b").await.unwrap();
        assert!(client.read(&mut [0]).await.is_err());
    }

    #[tokio::test]
    async fn a_reply_is_cut_in_its_middle() {
        let (link, mut client) = echo().await;
        link.set(Condition::Cut(3));
        client.write_all(b"abcdef").await.unwrap();
        let mut seen = Vec::new();
        assert!(client.read_to_end(&mut seen).await.is_err());
        assert!(seen.len() <= 3);
    }

    #[tokio::test]
    async fn connections_are_reset_and_new_ones_refused() {
        let (link, mut client) = echo().await;
        assert_eq!(ask(&mut client, b"a").await.unwrap(), b"a");
        link.reset();
        assert!(client.read(&mut [0]).await.is_err());
        link.set(Condition::Refuse);
        let mut second = TcpStream::connect(("127.0.0.1", link.port)).await.unwrap();
        assert_eq!(ask(&mut second, b"a").await, None);
        link.set(Condition::Sound);
        let mut third = TcpStream::connect(("127.0.0.1", link.port)).await.unwrap();
        assert_eq!(ask(&mut third, b"a").await.unwrap(), b"a");
    }
}
