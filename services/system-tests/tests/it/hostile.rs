//! API-11: the catalogue of hostile inputs, sent to the real API. Each is answered as the data says, with nothing of it
//! repeated and nothing stored that was refused; the next good request is answered, and over all of them together the
//! process grows by less than 16 MB.
//!
//! The data is `tests/hostile.jsonl`: a line has `row` and `what`, and then either a request and its answer, or the
//! `test` that shows it, or what has to be built for it (`later`); `tests/hostile_strings.jsonl`; and
//! `tests/hostile_json.jsonl`.

mod api;
mod corpus;
pub mod exchange;
mod flood;
mod lines;
mod strings;

use api::Api;

const GROWTH_BYTES_MAX: u64 = 16_000_000;
/// Rounds before anything is judged: what a process takes once is no growth.
const WARM_UP: usize = 3;
/// Rounds of which one has to show that nothing has grown.
const MEASURED: usize = 5;

#[test]
fn every_hostile_input_is_answered_as_the_catalogue_says_and_leaves_nothing_behind() {
    let api = Api::start();
    for case in lines::cases() {
        lines::check(&api, &case);
    }
}

#[test]
fn every_naughty_string_is_kept_to_the_byte_or_refused_by_a_rule() {
    let (api, strings) = (Api::start(), strings::all());
    let of_description = strings::submit(&api, &strings, strings::Naughty::as_description);
    let of_payload = strings::submit(&api, &strings, strings::Naughty::as_payload);
    let of_name = strings::submit(&api, &strings, strings::Naughty::as_name);
    let entries = strings::entries(&api);
    for (place, string) in strings.iter().enumerate() {
        string.check_as_description(&api, &of_description[place]);
        string.check_as_payload(&api, &of_payload[place], &entries);
        string.check_as_name(&api, &of_name[place]);
    }
    api.check_good("all of them");
}

#[test]
fn what_is_json_is_kept_to_the_byte_and_what_is_not_is_refused() {
    let api = Api::start();
    let before = api.digest();
    for document in corpus::all() {
        document.check_alone(&api);
        if !document.is_sound() {
            document.check_inside(&api);
        }
    }
    assert_eq!(api.digest(), before, "something that was refused has left something behind");
    for document in corpus::all() {
        document.check_as_payload(&api);
        document.check_inside(&api);
    }
    api.check_good("all of them");
}

#[test]
fn over_all_hostile_input_together_the_process_does_not_grow() {
    let api = Api::start();
    let requests = [lines::requests(), strings::requests(), corpus::requests()].concat();
    let round = || {
        for request in &requests {
            let answer = api.send(request);
            assert!((200..500).contains(&answer.status), "{} {}", answer.head, answer.body);
        }
        flood::press(&api);
        api.own_bytes()
    };
    let idle = api.own_bytes();
    let before = (0..WARM_UP).map(|_| round()).min().expect("rounds to warm up");
    // What an allocator keeps varies by some MB from round to round; what leaks is there in each, and adds up.
    let rounds: Vec<u64> = (0..MEASURED).map(|_| round()).collect();
    let after = rounds[MEASURED - WARM_UP..].iter().min().expect("rounds");
    println!("{idle} bytes when idle, {before} warm, then {rounds:?}, each of {} requests and a flood", requests.len());
    assert!(*after < before + GROWTH_BYTES_MAX, "the process has grown from {before} to {after} bytes");
}
