//! Nouns that are one line of text.

use crate::fixture::lines;
use proto_schemas::limit::RECORD_BYTES_MAX;
use proto_schemas::record::{field_of, generation_field};
use proto_schemas::{Fact, FactKind, Progress, Record};

/// Every accepted line reads back as itself, every other one is refused; `reread` answers the text or the reason.
fn check(name: &str, reread: impl Fn(&str) -> Result<String, String>) -> Vec<String> {
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for line in lines(name) {
        match (reread(&line.text), line.refused) {
            (Ok(text), None) => {
                assert_eq!(text, line.text, "{name}");
                accepted.push(text);
            }
            (Err(reason), Some(word)) => {
                assert!(reason.contains(&word), "{name}: {:?} is refused by {reason:?}, not {word}", line.text);
                refused += 1;
            }
            (answer, refused) => panic!("{name}: {:?} gives {answer:?}, not {refused:?}", line.text),
        }
    }
    assert!(accepted.len() >= 3 && refused >= 3, "{name} has cases of both kinds");
    accepted
}

#[test]
fn every_fact_line_reads_back_as_itself_or_is_refused_by_its_part() {
    let accepted = check("fact.txt", |text| Fact::decode(text).map(|fact| fact.encode()).map_err(|e| e.to_string()));
    for kind in FactKind::ALL {
        assert!(accepted.iter().any(|line| line.contains(&format!(" {kind} "))), "a case of {kind}");
    }
}

#[test]
fn a_line_without_its_time_is_what_scripts_complete() {
    for line in lines("fact.txt").iter().filter(|line| line.refused.is_none()) {
        let fact = Fact::decode(&line.text).unwrap();
        let reason = fact.reason.as_ref().map(|reason| format!(" {reason}")).unwrap_or_default();
        assert_eq!(format!("{} {}{reason}", fact.encode_prefix(), fact.at_ms), line.text);
    }
}

#[test]
fn every_record_reads_back_as_itself_within_its_64_bytes() {
    let accepted =
        check("record.txt", |text| Record::decode(text).map(|record| record.encode()).map_err(|e| e.to_string()));
    assert_eq!(accepted.iter().map(String::len).max(), Some(RECORD_BYTES_MAX));
}

#[test]
fn the_fields_of_records_and_generations_are_those_of_the_fixture() {
    let cases = lines("record-field.txt");
    for line in &cases {
        let words: Vec<&str> = line.text.split(' ').collect();
        let [index, generation, record, current] = words[..] else { panic!("{}", line.text) };
        let (index, generation) = (index.parse().unwrap(), generation.parse().unwrap());
        assert_eq!((field_of(index, generation), generation_field(index)), (record.to_owned(), current.to_owned()));
    }
    assert!(cases.len() >= 4);
}

#[test]
fn a_range_of_facts_is_about_every_index_between_its_ends() {
    for line in lines("fact.txt").iter().filter(|line| line.refused.is_none()) {
        let fact = Fact::decode(&line.text).unwrap();
        let place = line.text.split(' ').nth(1).unwrap();
        let expected: Vec<u32> = match place.split_once('-') {
            Some(("", "")) => Vec::new(),
            Some((first, last)) => (first.parse().unwrap()..=last.parse().unwrap()).collect(),
            None => vec![place.parse().unwrap()],
        };
        assert_eq!(fact.indexes().collect::<Vec<_>>(), expected, "{}", line.text);
    }
}

#[test]
fn every_progress_line_reads_back_as_itself_and_the_fixture_is_in_their_order() {
    let accepted =
        check("progress.txt", |text| Progress::decode(text).map(|told| told.encode()).map_err(|e| e.to_string()));
    let told: Vec<Progress> = accepted.iter().map(|line| Progress::decode(line).unwrap()).collect();
    assert!(told.is_sorted_by(|one, next| one < next));
}
