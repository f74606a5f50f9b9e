//! Where a span stands: in which trace, under which id, and whether it is recorded.

use opentelemetry::trace::{SpanContext, TraceFlags, TraceState};
use opentelemetry::{SpanId, TraceId};
use std::fmt;
use ulid::Ulid;

/// The header, and the field of a work entry, that carries a place.
pub const TRACEPARENT: &str = "traceparent";

/// The length of what W3C Trace Context calls version 00.
const LENGTH: usize = 55;
const SAMPLED: u8 = 1;

/// A place in a trace; written as W3C Trace Context has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    trace: u128,
    span: u64,
    /// Whether what stands here is recorded.
    pub is_sampled: bool,
}

impl Place {
    /// What a `traceparent` names; `None` for anything that is none, and then it counts as absent. A newer version may
    /// have more after what we know.
    pub fn parse(text: &str) -> Option<Self> {
        let (known, more) = text.split_at_checked(LENGTH)?;
        let mut parts = known.split('-');
        let [version, trace, span, flags] = std::array::from_fn(|_| parts.next().unwrap_or_default());
        let fits = parts.next().is_none()
            && (version.len(), trace.len(), span.len(), flags.len()) == (2, 32, 16, 2)
            && known.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'))
            && version != "ff"
            && (more.is_empty() || version != "00" && more.starts_with('-'));
        let (trace, span) = (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?);
        let flags = u8::from_str_radix(flags, 16).ok()?;
        (fits && trace != 0 && span != 0).then_some(Self { trace, span, is_sampled: flags & SAMPLED != 0 })
    }

    /// Of the span that accepts a task. The trace id is the ULID's bytes, of which the last eight are random; an id
    /// that is none, as in an entry written by hand, is hashed.
    pub(super) fn of_task(task_id: &str, ratio: f64) -> Self {
        let ulid = task_id.split('.').next().and_then(|text| text.parse::<Ulid>().ok()).map(|ulid| ulid.0);
        let trace = ulid.filter(|id| *id != 0).unwrap_or_else(|| hash(task_id));
        Self { trace, span: (trace as u64).max(1), is_sampled: is_sampled(trace, ratio) }
    }

    /// Of the first span of a trace that nobody else knows.
    pub(super) fn random(ratio: f64) -> Self {
        let trace = fastrand::u128(1..);
        Self { trace, span: fastrand::u64(1..), is_sampled: is_sampled(trace, ratio) }
    }

    /// Another place in the same trace.
    pub fn beside(self) -> Self {
        Self { span: fastrand::u64(1..), ..self }
    }

    /// The same span in the trace of another, recorded as that is.
    pub fn in_trace_of(self, other: Self) -> Self {
        Self { span: self.span, ..other }
    }

    /// Whether both are in the same trace.
    pub fn shares_trace(self, other: Self) -> bool {
        self.trace == other.trace
    }

    /// Its trace, as it stands in logs.
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }

    pub(super) fn span_id(self) -> SpanId {
        SpanId::from_bytes(self.span.to_be_bytes())
    }

    pub(super) fn context(self) -> SpanContext {
        let flags = TraceFlags::new(if self.is_sampled { SAMPLED } else { 0 });
        SpanContext::new(
            TraceId::from_bytes(self.trace.to_be_bytes()),
            self.span_id(),
            flags,
            false,
            TraceState::default(),
        )
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.is_sampled))
    }
}

/// As samplers of other programs decide by a trace's id: on its last 63 bits.
fn is_sampled(trace: u128, ratio: f64) -> bool {
    let bound = (ratio.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64;
    (trace as u64 >> 1) < bound
}

/// FNV-1a of 128 bits: the same in every process and version.
fn hash(text: &str) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    text.bytes().fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "01K5QJ0000ABCDEFGHJKMNPQRS";

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let place = Place::parse(text).unwrap();
        assert_eq!((place.to_string().as_str(), place.is_sampled), (text, true));
        assert!(!Place::parse(&text.replace("-01", "-00")).unwrap().is_sampled);
        assert_eq!(
            Place::parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later"),
            Some(place)
        );
        assert_eq!(Place::parse(&text.replace("-01", "-ff")), Some(place));
    }

    #[test]
    fn what_is_no_place_counts_as_absent() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0ü",
            "00-4bf92f3577b34da6a3ce929d0e0e4736--0f067aa0ba902b7-01",
        ] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_task_has_one_trace_whoever_asks() {
        let place = Place::of_task(TASK, 1.0);
        let bytes: Ulid = TASK.parse().unwrap();
        assert_eq!(place.trace_id(), format!("{:032x}", bytes.0));
        assert!(Place::of_task(TASK, 0.5).beside().shares_trace(place));
        assert_eq!(place.to_string()[36..52], place.trace_id()[16..], "the span that accepts it is known too");
        assert_eq!(Place::of_task(&format!("{TASK}.07"), 1.0), place, "a partition is no part of it");
        assert_eq!(Place::of_task("by-hand", 1.0), Place::of_task("by-hand", 1.0));
        assert!(!Place::of_task("by-hand", 1.0).shares_trace(Place::of_task("by-hanD", 1.0)));
    }

    #[test]
    fn a_ratio_takes_its_share_and_the_same_one_everywhere() {
        let taken = |ratio: f64| (0..1_000).filter(|_| Place::random(ratio).is_sampled).count();
        assert_eq!((taken(0.0), taken(1.0)), (0, 1_000));
        assert!((150..350).contains(&taken(0.25)), "{}", taken(0.25));
        for at in 0..100 {
            let id = format!("task-{at}");
            assert_eq!(Place::of_task(&id, 0.5).is_sampled, Place::of_task(&id, 0.5).is_sampled);
            assert!(
                Place::of_task(&id, 0.9).is_sampled >= Place::of_task(&id, 0.5).is_sampled,
                "a greater share has more"
            );
        }
    }
}
