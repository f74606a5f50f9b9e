//! What a run says of itself: one JSON document, and the same for people.

use crate::books::Books;
use crate::fault::Kind;
use crate::law::attempts::{Reason, repeated};
use crate::law::liveness::{late_by_stalls, percentile, recoveries};
use crate::law::{LAWS, burials, effects, exits, loss, projection, restarts};
use crate::ledger::effect;
use crate::ledger::submission::Answer;
use crate::options::Options;
use crate::verdict::{Colour, Verdict, hits_by_kind, ok_rate};
use serde_json::{Value, json};
use std::fmt::Write;
use std::process::Command;

/// What else is to be told.
pub struct Circumstances {
    /// The commit that was checked out when the run began.
    pub sha: String,
    /// How long faults were inflicted, in seconds.
    pub seconds: f64,
    /// Orders of which nobody could say in the end, asked again and again, whether they were stored.
    pub unknown: usize,
    /// Orders that were not sent because too many clients waited.
    pub left_out: u64,
}

/// The document.
pub fn document(options: &Options, books: &Books, verdict: &Verdict, around: &Circumstances) -> Value {
    let by = |wanted| repeated(books).filter(|(_, _, reason)| *reason == wanted).count();
    let answers = || books.submissions.iter().flat_map(|one| &one.tries).map(|one| &one.answer);
    let refused = answers().filter(|answer| matches!(answer, Answer::Refused(_))).count();
    let indefinite = answers().filter(|answer| **answer == Answer::Indefinite).count();
    let accepted = books.submissions.iter().filter(|one| one.task_id().is_some());
    let inflicted = books.inflicted().count();
    let kills = books.inflicted().filter(|fault| fault.kind.as_str().starts_with("kill")).count();
    let (calm, restarts) = (calm_songs(books), restarts::all(books));
    let applied = books.effects.iter().filter(|one| one.answer == effect::Answer::Applied).count();
    let mut document = json!({
        "colour": format!("{:?}", verdict.colour()).to_lowercase(),
        "sha": around.sha,
        "seed": options.seed,
        "profile": options.profile.as_str(),
        "rate": options.rate,
        "hours": around.seconds / 3_600.0,
        "faults": inflicted,
        "kills": kills,
        "faults_by_kind": faults_by_kind(books),
        "acknowledged": accepted.clone().count(),
        "acknowledged_subtasks": accepted.map(|one| one.edges.len()).sum::<usize>(),
        "refused": refused,
        "indefinite": indefinite,
        "unknown_at_the_end": around.unknown,
        "left_out": around.left_out,
        "executed": books.runs.len(),
        "effects": applied,
        "lost": verdict.count("I1 "),
        "lost_as_the_profile_says": loss::excused(books),
        "phantom": verdict.count("I3 "),
        "unexplained_duplicates": by(Reason::None),
        "double_effects": verdict.count("I7 "),
        "projection_mismatches": verdict.count("I8 "),
        "projections_compared": projection::compared(books),
        "fenced_zombies": effects::fenced(books),
        "late_outcomes_refused": books.refused_outcomes,
        "effects_asked_for_again": effects::repeated(books),
        "explained_duplicates": by(Reason::Fault),
        "duplicates_by_stalls": by(Reason::Stall),
        "retries": by(Reason::Retry),
        "burials_for_crashes": burials::all(books).count(),
        "restart_after_kill_ms": spread(&restarts),
        "canary_in_calm_ms": spread(&calm),
        "ok_rate_in_calm": ok_rate(books, false),
        "ok_rate_in_faults": ok_rate(books, true),
        "drained_ms": books.drained_ms,
        "broken": verdict.broken.iter().map(|(law, count, places)| json!({ "law": law, "count": count, "places": places })).collect::<Vec<_>>(),
        "void": verdict.void,
    });
    document["late_by_stalls"] = json!(late_by_stalls(books));
    document["stalled_ms"] = json!(books.stalled_ms((0, books.healed_at), 0, Kind::is_stall));
    document["exits_told"] = json!(exits::told(books));
    document
}

/// The table.
pub fn table(document: &Value, verdict: &Verdict) -> String {
    let mut text = String::new();
    let colour = match verdict.colour() {
        Colour::Green => "GREEN",
        Colour::Red => "RED",
        Colour::Void => "VOID",
    };
    let _ = writeln!(text, "\n{colour}  seed {}  profile {}", document["seed"], document["profile"]);
    let _ =
        writeln!(text, "\n{:<24}{:>7}{:>9}{:>10}{:>10}{:>10}", "fault", "count", "hits", "p50 ms", "p99 ms", "max ms");
    for (kind, of_kind) in document["faults_by_kind"].as_object().into_iter().flatten() {
        let number = |name: &str| of_kind[name].as_u64().unwrap_or(0);
        let (count, hits) = (number("count"), number("hits"));
        let recovery = |name: &str| of_kind["recovery_ms"][name].as_u64().unwrap_or(0);
        let (p50, p99, max) = (recovery("p50"), recovery("p99"), recovery("max"));
        let _ = writeln!(text, "{kind:<24}{count:>7}{hits:>9}{p50:>10}{p99:>10}{max:>10}");
    }
    text.push('\n');
    for (name, value) in document.as_object().into_iter().flatten() {
        if !["faults_by_kind", "broken", "void", "colour", "seed", "profile"].contains(&name.as_str()) {
            let _ = writeln!(text, "{:<28}{value}", name.replace('_', " "));
        }
    }
    for (law, count, places) in &verdict.broken {
        let sentence = LAWS.iter().find(|known| known.name == *law).map_or("", |known| known.sentence);
        let _ = writeln!(text, "\n{law} is broken {count} times ({sentence}):");
        for place in places {
            let _ = writeln!(text, "  {place}");
        }
    }
    for why in &verdict.void {
        let _ = writeln!(text, "void: {why}");
    }
    text
}

fn faults_by_kind(books: &Books) -> Value {
    let recoveries = recoveries(books);
    let of_kind = hits_by_kind(books).into_iter().map(|(kind, (count, hits))| {
        let recovery = recoveries.get(&kind).map(|all| spread(all));
        (kind.as_str().to_owned(), json!({ "count": count, "hits": hits, "recovery_ms": recovery }))
    });
    Value::Object(of_kind.collect())
}

/// Songs that met no fault, sorted by length.
fn calm_songs(books: &Books) -> Vec<u64> {
    let calm = books.songs.iter().filter(|song| !books.faults.iter().any(|fault| fault.meets(song.from, song.to, 500)));
    let mut lengths: Vec<u64> = calm.map(|song| song.to - song.from).collect();
    lengths.sort_unstable();
    lengths
}

fn spread(sorted: &[u64]) -> Value {
    json!({
        "count": sorted.len(),
        "p50": percentile(sorted, 50),
        "p99": percentile(sorted, 99),
        "max": percentile(sorted, 100),
    })
}

/// The commit that is checked out, marked if the files differ from it.
pub fn sha() -> String {
    let described = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output();
    described.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
