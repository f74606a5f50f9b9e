//! The scripts and the reader's decode judge an entry alike: a random entry is decoded here and reaped there.

use crate::stage::{MEDIUM, Stage, medium, name, stage};
use proto_schemas::entry::FIELDS;
use proto_schemas::{EntryError, Priority, WorkEntry, limit};
use redis_store::bury::Burial;
use redis_store::hand_back::Unfinished;
use redis_store::reap::ReapCursors;
use std::collections::BTreeMap;
use std::time::Duration;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Numbers out of a seed; no crate is worth one test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    fn pick<'a, T: ?Sized>(&mut self, items: &[&'a T]) -> &'a T {
        items[self.below(items.len())]
    }
}

const NUMBERS: [&[u8]; 22] = [
    b"0",
    b"1",
    b"2",
    b"3",
    b"7",
    b"007",
    b"000000000000001",
    b"0000000000000001",
    b"4294967294",
    b"4294967295",
    b"4294967296",
    b"999999999999999",
    b"9999999999999999",
    b"",
    b"-1",
    b"+1",
    b" 1",
    b"1 ",
    b"1.0",
    b"0x10",
    b"1e3",
    b"1\n",
];
const TEXTS: [&[u8]; 24] = [
    b"",
    b"d",
    b"\xc3\xbc",
    b"\xe6\x97\xa5\xe6\x9c\xac",
    b"\xf0\x9f\xa6\x80",
    b"\xf4\x8f\xbf\xbf",
    b"\xc3",
    b"\x80",
    b"\xc3\x28",
    b"\xe6\x97",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc0\x80",
    b"\xe0\x80\x80",
    b"\xf0\x80\x80\x80",
    b"\xff\x00",
    b"a\x00b",
    b"\xe4\xc3\xa9\xb8\xad",
    b"\xc3\xc3\xa9\xa9",
    b"a\r\nb",
    b"{\"a\": 1}",
    b"\xf8\x88\x80\x80\x80",
    b"\xe0\xa0\x80\xef\xbf\xbf",
    b"\xf1\x80\x80\x80\xed\x9f\xbf",
];
const SUFFIXES: [&[u8]; 9] =
    [b"", b"-0", b"-4", b"-007", b"-000000000000007", b"-0000000000000007", b"-4294967296", b"-x", b"--5"];

fn token(dice: &mut Dice) -> Vec<u8> {
    match dice.below(12) {
        0 => b"a b".to_vec(),
        1 => vec![b'x'; 63 + dice.below(3)],
        2 => dice.pick(&TEXTS).to_vec(),
        3 => b"A_z.0-9".to_vec(),
        4 => b"t:1".to_vec(),
        _ => b"T".to_vec(),
    }
}

fn value(dice: &mut Dice, field: &str) -> Vec<u8> {
    match field {
        "v" => dice.pick(&[&b"1"[..], b"1", b"1", b"0", b"2", b"4294967296", b"x"]).to_vec(),
        "task_id" | "kind" => token(dice),
        "subtask_id" => [token(dice), dice.pick(&SUFFIXES).to_vec()].concat(),
        "description" | "priority" | "traceparent" => dice.pick(&TEXTS).to_vec(),
        "payload" if dice.below(20) == 0 => vec![b'x'; 65_535 + dice.below(3)],
        "payload" => dice.pick(&TEXTS).to_vec(),
        _ if dice.below(3) > 0 => b"1".to_vec(),
        _ => dice.pick(&NUMBERS).to_vec(),
    }
}

/// The three fields that an entry needs and, sparingly, everything that can be right or wrong about the others.
fn entry(dice: &mut Dice) -> Fields {
    let sound: [(&str, &[u8]); 3] = [("task_id", b"T"), ("subtask_id", b"T-4"), ("description", b"d")];
    let mut fields: Fields = sound.map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())).into();
    for _ in 0..dice.below(5) {
        let name = FIELDS[dice.below(FIELDS.len())];
        let value = value(dice, name);
        fields.push((name.as_bytes().to_vec(), value)); // of two equal names the last counts
    }
    for _ in 0..dice.below(3) {
        let at = dice.below(fields.len());
        fields.swap(0, at);
    }
    match dice.below(40) {
        0..4 => {
            let at = dice.below(fields.len());
            fields.remove(at);
        }
        4 => fields.resize_with(248 + dice.below(11), || (b"unknown".to_vec(), b"\xff".to_vec())),
        5 => fields.push((b"\xff\x00".to_vec(), b"unknown".to_vec())),
        _ => {}
    }
    fields
}

/// What the reader would say: the fact that reap owes, or the verdict.
fn decoded(fields: &Fields) -> String {
    let pairs = fields.iter().map(|(name, value)| (&name[..], &value[..]));
    match WorkEntry::decode(pairs, Priority::Medium) {
        Err(EntryError::Newer(_)) => "newer".to_owned(),
        Err(EntryError::Missing(_) | EntryError::Malformed(_)) => "malformed".to_owned(),
        Ok(entry) => {
            let WorkEntry { task_id, index, generation, attempt, crashes, .. } = entry;
            let (crashes, dies) = (u64::from(crashes) + 1, crashes >= limit::CRASHES_CAP - 1);
            let (fact, reason) = if dies { ("failed", " crashes") } else { ("crashed", "") };
            format!("{task_id} {index} {generation} {fact} {attempt} {crashes} r{reason}")
        }
    }
}

/// What reap made of each entry, told by a mark that no field of ours is.
async fn reaped(stage: &Stage, batch: &[Fields]) -> Vec<String> {
    stage.raw(&["DEL", "events", "dead-letters", "maintenance:default", MEDIUM]);
    stage.raw(&["XGROUP", "CREATE", MEDIUM, "workers", "0", "MKSTREAM"]);
    for fields in batch {
        let mut command = vec![b"XADD".to_vec(), MEDIUM.as_bytes().to_vec(), b"*".to_vec()];
        command.extend(fields.iter().flat_map(|(name, value)| [name.clone(), value.clone()]));
        stage.raw(&command);
    }
    let read = stage.raw(&["XREADGROUP", "GROUP", "workers", "w", "COUNT", "100", "STREAMS", MEDIUM, ">"]);
    let ids: Vec<String> = read.items()[0].items()[1].items().iter().map(|entry| entry.items()[0].text()).collect();
    // One entry after the other, so that each one's fact can be told from its neighbours'.
    let mut verdicts = Vec::new();
    for entry_id in &ids {
        let (facts, letters) =
            (stage.raw(&["XLEN", "events"]).integer(), stage.raw(&["XLEN", "dead-letters"]).integer());
        stage.raw(&["XCLAIM", MEDIUM, "workers", "w", "0", entry_id, "IDLE", "3600000", "JUSTID"]);
        stage.raw(&["DEL", "maintenance:default"]);
        let lease = Duration::from_secs(1_800);
        stage.store.reap(&name("r"), &stage.queue, lease, &mut ReapCursors::default()).await.expect("a round");
        let told = stage.raw(&["XLEN", "events"]).integer() > facts;
        let letter = stage.raw(&["XLEN", "dead-letters"]).integer() > letters;
        verdicts.push(match (told, letter) {
            (true, _) => stage.facts().pop().expect("a fact"),
            (false, true) => "malformed".to_owned(),
            (false, false) => "newer".to_owned(),
        });
    }
    verdicts
}

#[tokio::test]
async fn reap_and_decode_agree_on_every_random_entry() {
    let stage = stage().await;
    let mut verdicts: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let batch: Vec<Fields> = (0..100).map(|_| entry(&mut dice)).collect();
        for (fields, verdict) in batch.iter().zip(reaped(&stage, &batch).await) {
            let shown: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{}={}", name.escape_ascii(), value[..value.len().min(80)].escape_ascii()))
                .collect();
            assert_eq!(verdict, decoded(fields), "seed {seed}: {}", shown.join(" "));
            *verdicts.entry(if verdict.contains(' ') { "sound".to_owned() } else { verdict }).or_default() += 1;
        }
    }
    assert!(verdicts.values().all(|count| *count >= 15) && verdicts.len() == 3, "each verdict is common: {verdicts:?}");
}

#[tokio::test]
async fn bury_and_hand_back_tell_a_fact_exactly_of_what_decodes() {
    let stage = stage().await;
    let mut dice = Dice(99);
    let mut told = [0, 0];
    for round in 0..200 {
        let fields = entry(&mut dice);
        let flat: Vec<&[u8]> = fields.iter().flat_map(|(name, value)| [&name[..], &value[..]]).collect();
        let entry_id = stage.leave("w", &flat).await;
        let before = stage.facts().len();
        if round % 2 == 0 {
            stage.store.hand_back(&name("w"), &medium(), &[Unfinished { entry_id, task_id: None }]).await.unwrap();
        } else {
            let (reason, error) = ("x".parse().unwrap(), String::new());
            let burial = Burial { stream: medium(), entry_id, owner: None, reason, error };
            stage.store.bury(&name("w"), &[burial]).await.unwrap();
        }
        let sound = decoded(&fields).contains(' ');
        assert_eq!(stage.facts().len() - before, usize::from(sound), "{fields:?}");
        told[usize::from(sound)] += 1;
        stage.raw(&["DEL", MEDIUM]);
        stage.store.create_worker_groups(&stage.queue).await.unwrap();
    }
    assert!(told[0] > 40 && told[1] > 40, "{told:?}");
}
