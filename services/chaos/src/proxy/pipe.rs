//! The bytes of one direction of one connection, under the link's condition.

use super::condition::{Condition, Direction, Weather};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;

const CHUNK: usize = 16 * 1024;

/// How a direction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// One side closed it.
    Closed,
    /// It is to be reset.
    Broken,
}

/// One direction.
pub(super) struct Pipe {
    direction: Direction,
    weather: watch::Receiver<Weather>,
    touched: Arc<AtomicU64>,
    /// Whether bytes were swallowed, so that what follows makes no sense.
    is_torn: bool,
    /// Replies carried since the condition became `Cut`.
    carried: u64,
}

impl Pipe {
    pub fn new(direction: Direction, weather: watch::Receiver<Weather>, touched: Arc<AtomicU64>) -> Self {
        Self { direction, weather, touched, is_torn: false, carried: 0 }
    }

    /// Carries bytes until a side closes or the connection breaks.
    pub async fn run(&mut self, from: &TcpStream, to: &TcpStream) -> End {
        let mut buffer = vec![0; CHUNK];
        loop {
            let read = match read_some(from, &mut buffer).await {
                Ok(0) => return End::Closed,
                Ok(read) => read,
                Err(_) => return End::Broken,
            };
            let chunk = &buffer[..read];
            let Some(allowed) = self.allow(read).await else { return End::Broken };
            if write_all(to, &chunk[..allowed]).await.is_err() {
                return End::Broken;
            }
            if allowed < read && self.condition() != Condition::Swallow(self.direction) {
                return End::Broken; // cut in the middle
            }
        }
    }

    /// Waits as the condition says; answers how many of these bytes go through, `None` if the connection is broken.
    async fn allow(&mut self, bytes: usize) -> Option<usize> {
        loop {
            let condition = self.condition();
            if !matches!(condition, Condition::Sound | Condition::Refuse) {
                self.touched.fetch_add(1, Ordering::Relaxed);
            }
            match condition {
                Condition::Swallow(direction) if direction == self.direction => {
                    self.is_torn = true;
                    return Some(0);
                }
                _ if self.is_torn => return None,
                Condition::Hold => {
                    let healed = self.weather.wait_for(|weather| weather.condition != Condition::Hold).await;
                    if healed.is_err() {
                        return None;
                    }
                }
                Condition::Cut(after) if self.direction == Direction::Replies => {
                    let left = after.saturating_sub(self.carried);
                    self.carried += bytes as u64;
                    return Some(usize::try_from(left).unwrap_or(bytes).min(bytes));
                }
                Condition::Delay(by) => {
                    tokio::time::sleep(by.mul_f64(0.5 + fastrand::f64())).await;
                    return Some(bytes);
                }
                Condition::Throttle(per_second) => {
                    tokio::time::sleep(Duration::from_secs_f64(bytes as f64 / per_second as f64)).await;
                    return Some(bytes);
                }
                Condition::Sound | Condition::Refuse | Condition::Swallow(_) | Condition::Cut(_) => {
                    self.carried = 0;
                    return Some(bytes);
                }
            }
        }
    }

    fn condition(&self) -> Condition {
        self.weather.borrow().condition
    }
}

async fn read_some(from: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        from.readable().await?;
        match from.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other,
        }
    }
}

async fn write_all(to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
