//! What stands between a connection and hyper: nothing passes that hyper should not see, and nobody takes for ever.
//!
//! Bytes are read into hyper's own buffer and stay there if all of them may pass, which is the rule; what may not yet
//! (part of a head, the request behind the next) is held back here until more has come. Behind a head that is refused
//! nothing is read any more, hyper is given a stand-in (see [`super::fault`]). When hyper closes a connection on which
//! something is unread, the socket reads on for a moment: closing at once would reset the connection, and the client
//! would lose the answer that it has not read yet.

use super::deadlines::{Busy, Deadlines, Watch};
use super::framing::{End, Framing};
use bytes::{Buf, BytesMut};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

/// What a head that comes in pieces is read with.
const PIECE_BYTES: usize = 2 << 10;
/// How long and how far it is read on after the end: four bodies.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 4 << 20;

/// A connection as hyper sees it.
#[derive(Debug)]
pub struct Socket<S> {
    stream: S,
    framing: Framing,
    watch: Watch,
    /// Read and not given to hyper.
    held: BytesMut,
    /// How many of the held bytes may pass.
    passing: usize,
    end: Option<End>,
    /// The client has let its time pass: it waits for no answer.
    is_given_up: bool,
    closing: Option<Closing>,
}

/// A connection that we have closed.
#[derive(Debug)]
struct Closing {
    until: Instant,
    read: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Watches `stream`.
    pub fn new(stream: S, deadlines: Deadlines, busy: Busy) -> Self {
        let watch = Watch::new(deadlines, busy);
        let (framing, held) = (Framing::new(), BytesMut::new());
        Self { stream, framing, watch, held, passing: 0, end: None, is_given_up: false, closing: None }
    }

    /// Gives hyper what is held and may pass.
    fn hand_on(&mut self, out: &mut ReadBuf<'_>) {
        let count = self.passing.min(out.remaining());
        out.put_slice(&self.held[..count]);
        self.held.advance(count);
        self.passing -= count;
        if self.held.is_empty() {
            self.held = BytesMut::new(); // an idle connection holds no memory here
        }
    }

    /// Reads into hyper's buffer and takes back what may not pass. Answers whether hyper has to be told: of bytes, or
    /// of the end.
    fn read_through(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, out))?;
        let read = &out.filled()[before..];
        if read.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let (passed, end) = self.framing.pass(read);
        self.held.extend_from_slice(&read[passed..]);
        out.set_filled(before + passed);
        self.note(passed, end);
        Poll::Ready(Ok(passed > 0))
    }

    /// Reads more of what is held. Answers whether that was the end.
    fn read_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.held.reserve(PIECE_BYTES);
        if ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.held))? == 0 {
            return Poll::Ready(Ok(true));
        }
        let (passed, end) = self.framing.pass(&self.held);
        self.passing = passed;
        self.note(passed, end);
        Poll::Ready(Ok(false))
    }

    fn note(&mut self, passed: usize, end: Option<End>) {
        if let Some(end) = end {
            self.held.truncate(self.passing);
            if let End::Refused(fault) = end {
                self.held.extend_from_slice(fault.stand_in().as_bytes());
                self.passing = self.held.len();
            }
            self.end = Some(end);
        }
        let is_in_head = self.end.is_none() && self.held.len() > self.passing;
        self.watch.has_read(passed > 0, is_in_head);
    }

    /// Whether the client may be sending what nobody will read, and has an answer to lose by that.
    fn has_unread(&self) -> bool {
        !self.is_given_up && (self.end.is_some() || !self.held.is_empty() || !self.framing.is_in_head())
    }

    fn written(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Pending if self.watch.is_write_due(cx) => Poll::Ready(Err(ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
            Poll::Ready(wrote) => {
                self.watch.has_written();
                Poll::Ready(wrote)
            }
        }
    }

    /// Reads and drops what still comes, for a moment.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(closing) = &mut self.closing else { return Poll::Ready(()) };
        let mut scratch = [0; 4 << 10];
        while closing.read < LINGER_BYTES_MAX {
            let mut out = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut out) {
                Poll::Ready(Ok(())) if !out.filled().is_empty() => closing.read += out.filled().len(),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if self.watch.is_due(cx, closing.until) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Socket<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.passing > 0 {
                this.hand_on(out);
                return Poll::Ready(Ok(()));
            }
            match this.end {
                None => {}
                Some(End::Refused(_)) => return Poll::Pending, // the answer ends the connection
                Some(End::Broken) => return Poll::Ready(Err(ErrorKind::InvalidData.into())),
            }
            let read = if this.held.is_empty() { this.read_through(cx, out) } else { this.read_on(cx) };
            match read {
                Poll::Ready(Ok(false)) => {}
                Poll::Ready(Ok(true)) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if this.watch.is_read_due(cx) => {
                    this.is_given_up = true;
                    return Poll::Ready(Err(ErrorKind::TimedOut.into()));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, wrote)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.stream).poll_write_vectored(cx, pieces);
        this.written(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.closing.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            this.closing = Some(Closing { until: Instant::now() + LINGER, read: 0 });
        }
        if this.has_unread() {
            ready!(this.linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
