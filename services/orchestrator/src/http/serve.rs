//! Taking connections until told to stop. Small answers leave at once, and running out of file descriptors does not
//! burn a core.

use super::answer::{ROOM_KIB, Room};
use super::connection::{self, Refused, Shared};
use super::deadlines::Deadlines;
use super::places::{Place, Places};
use crate::envelope;
use crate::refusal::Refusal;
use poem::endpoint::make_sync;
use poem::web::LocalAddr;
use poem::{Endpoint, EndpointExt, Response};
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Some connection must end before another can be taken.
const PAUSE: Duration = Duration::from_millis(50);
/// A connection too many may ask once, and has its answer read by then.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// What is written is acknowledged by then (reliability catalogue, row 54: with the sign of life of each 15 s, 30 s in
/// all).
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED_MS: u32 = 15_000;

/// On what terms clients are served.
pub struct Terms {
    /// Where the listener listens.
    pub address: SocketAddr,
    /// Connections at a time.
    pub connections_max: usize,
    /// What a client is given.
    pub deadlines: Deadlines,
    /// How long requests in flight may go on after the signal to stop.
    pub grace: Duration,
    /// Is told the code of what is refused before there is a request.
    pub refused: Refused,
}

/// Serves until `stop`; then takes nothing more, and returns when what is in flight has ended or been cut off.
pub async fn serve<E>(listener: TcpListener, endpoint: E, terms: Terms, stop: CancellationToken)
where
    E: Endpoint<Output = Response> + 'static,
{
    let (places, connections) = (Places::new(terms.connections_max), TaskTracker::new());
    let serving = Arc::new(shared(endpoint, &terms, &stop));
    let refusing = Arc::new(refusing(&terms, &stop));
    let mut stopped = pin!(stop.cancelled());
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stopped => break,
            accepted = listener.accept() => accepted.and_then(|(stream, peer)| set_up(stream).map(|stream| (stream, peer))),
        };
        match (accepted, places.take()) {
            (Ok((stream, peer)), Some(Place::Served(place))) => {
                let serving = serving.clone();
                connections.spawn(async move {
                    connection::run(stream, peer, serving).await;
                    drop(place);
                });
            }
            (Ok((stream, peer)), Some(Place::Refused(place))) => {
                let refusing = refusing.clone();
                connections.spawn(async move {
                    let _ = timeout(REFUSAL_TIME, connection::run(stream, peer, refusing)).await;
                    drop(place);
                });
            }
            (Ok(_), None) => {}
            (Err(error), _) => {
                is_failing = pause(&error, is_failing).await;
                continue;
            }
        }
        is_failing = false;
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn shared<E>(endpoint: E, terms: &Terms, stop: &CancellationToken) -> Shared<E> {
    let (address, room) = (LocalAddr(terms.address.into()), Room::new(ROOM_KIB));
    let (stop, refused) = (stop.clone(), terms.refused.clone());
    Shared { endpoint, address, deadlines: terms.deadlines, stop, grace: terms.grace, room, refused }
}

/// Answers whatever is asked that there are too many connections, and ends the connection.
fn refusing(terms: &Terms, stop: &CancellationToken) -> Shared<impl Endpoint<Output = Response> + use<>> {
    let refused = terms.refused.clone();
    let refuse = make_sync(move |_| {
        refused(Refusal::TooManyConnections.code());
        envelope::refuse(&Refusal::TooManyConnections)
    });
    shared(refuse.map_to_response(), terms, stop)
}

/// Small answers leave at once. A client that is gone without a word is found gone when something that was written is
/// not acknowledged in time: on a quiet stream that is the next sign of life, which the buffers of the system would
/// take for minutes.
fn set_up(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_user_timeout(&stream, UNACKNOWLEDGED_MS)?;
    Ok(stream)
}

/// A connection that was gone before it was taken is none of our business. Anything else, such as too few file
/// descriptors, may last: it is told once, and tried again after a while.
async fn pause(error: &io::Error, was_failing: bool) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, InvalidInput};
    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | InvalidInput) {
        return was_failing;
    }
    if !was_failing {
        tracing::warn!(error = error as &(dyn Error + 'static), "connections are not taken");
    }
    tokio::time::sleep(PAUSE).await;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_connection_does_not_wait_long_for_what_nobody_acknowledges() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = set_up(listener.accept().await.unwrap().0).unwrap();
        assert!(stream.nodelay().unwrap());
        assert_eq!(rustix::net::sockopt::tcp_user_timeout(&stream).unwrap(), UNACKNOWLEDGED_MS);
    }
}
