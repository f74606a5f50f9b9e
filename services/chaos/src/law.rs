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

use crate::books::Books;

/// A law: its name, what has to hold, and who looks.
pub struct Law {
    /// For programs.
    pub name: &'static str,
    /// For people.
    pub sentence: &'static str,
    /// Names every place where it does not hold.
    pub check: fn(&Books) -> Vec<String>,
}

/// All of them.
pub const LAWS: [Law; 12] = [
    Law { name: "I1 loss", sentence: "what was acknowledged has ended, every subtask once", check: loss::check },
    Law { name: "I2 conservation", sentence: "counters add up and nobody added work", check: conservation::check },
    Law { name: "I3 phantom", sentence: "nothing exists or ran that nobody asked for", check: phantoms::check },
    Law { name: "I4 finality", sentence: "no reader saw time go back or an end undone", check: finality::check },
    Law { name: "I5 orphan", sentence: "at rest nothing is left over, and the audit is clean", check: orphans::check },
    Law { name: "I6 attempts", sentence: "every further run has a reason", check: attempts::check },
    Law { name: "I7 effects", sentence: "what completed had its effect once, by its last run", check: effects::check },
    Law { name: "I8 projection", sentence: "what people read follows from the log", check: projection::check },
    Law { name: "I9 idempotency", sentence: "one key is one task, and children wait", check: idempotency::check },
    Law { name: "I10 liveness", sentence: "after every fault the system works again in time", check: liveness::check },
    Law { name: "I11 outcomes", sentence: "how a subtask ended is what its last run did", check: outcomes::check },
    Law { name: "I12 exits", sentence: "no process ends by itself", check: exits::check },
];

#[cfg(test)]
pub mod sample;
