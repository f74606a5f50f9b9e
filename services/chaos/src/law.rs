//! The laws, each a pure function over the books that names what breaks it. In the order of the report.

pub mod attempts;
pub mod burials;
pub mod conservation;
pub mod effects;
pub mod exits;
pub mod finality;
pub mod idempotency;
pub mod liveness;
pub mod loss;
pub mod orphans;
pub mod outcomes;
pub mod phantoms;
pub mod projection;
pub mod restarts;

use crate::books::Books;

/// A law: its name, what has to hold, and who looks.
pub struct Law {
    /// For programs.
    pub name: &'static str,
    /// For people.
    pub sentence: &'static str,
    /// Whether it looks at Redis at rest, and not only at the ledgers.
    pub needs_rest: bool,
    /// Names every place where it does not hold.
    pub check: fn(&Books) -> Vec<String>,
}

/// All of them.
pub const LAWS: [Law; 12] = [
    Law {
        name: "I1 loss",
        sentence: "what was acknowledged has ended, every subtask once",
        needs_rest: true,
        check: loss::check,
    },
    Law {
        name: "I2 conservation",
        sentence: "counters add up and nobody added work",
        needs_rest: true,
        check: conservation::check,
    },
    Law {
        name: "I3 phantom",
        sentence: "nothing exists or ran that nobody asked for",
        needs_rest: true,
        check: phantoms::check,
    },
    Law {
        name: "I4 finality",
        sentence: "no reader saw time go back or an end undone",
        needs_rest: false,
        check: finality::check,
    },
    Law {
        name: "I5 orphan",
        sentence: "at rest nothing is left over, and the audit is clean",
        needs_rest: true,
        check: orphans::check,
    },
    Law { name: "I6 attempts", sentence: "every further run has a reason", needs_rest: true, check: attempts::check },
    Law {
        name: "I7 effects",
        sentence: "what completed had its effect once, by its last run",
        needs_rest: true,
        check: effects::check,
    },
    Law {
        name: "I8 projection",
        sentence: "what people read follows from the log",
        needs_rest: true,
        check: projection::check,
    },
    Law {
        name: "I9 idempotency",
        sentence: "one key is one task, and children wait",
        needs_rest: true,
        check: idempotency::check,
    },
    Law {
        name: "I10 liveness",
        sentence: "after every fault the system works again in time",
        needs_rest: false,
        check: liveness::check,
    },
    Law {
        name: "I11 outcomes",
        sentence: "how a subtask ended is what its last run did",
        needs_rest: true,
        check: outcomes::check,
    },
    Law { name: "I12 exits", sentence: "no process ends by itself", needs_rest: false, check: exits::check },
];

#[cfg(test)]
pub mod sample;
