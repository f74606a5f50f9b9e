//! Dependencies: whatever the order in which ends become known, a subtask is added once, when all that it needs has
//! ended.

use crate::stage::{ADMISSION, MEDIUM, Stage, TTL, depending, name, plan, refuses_other_types, stage};
use crate::state::packed;
use proto_schemas::{ConsumerName, QueueName};
use redis_store::StoreError;
use redis_store::events::EventEntry;
use redis_store::submit::Submission;
use system_tests::redis::Reply;

/// Writes facts by hand, one entry each, and lets the projector read them without folding.
async fn told(stage: &Stage, facts: &[&str]) -> Vec<EventEntry> {
    for fact in facts {
        stage.raw(&["XADD", "events", "*", "v", "1", "by", "hand", "facts", fact]);
    }
    stage.events().await
}

fn ended(index: usize, word: &str) -> String {
    format!("T {index} 0 {word} 1 0 w 5")
}

async fn accepted(parents: &[&str]) -> Stage {
    let stage = stage().await;
    stage.accept(&plan("T", parents)).await;
    stage.fold(&[]).await;
    stage
}

const DIAMOND: [&str; 4] = ["", "0:fail_fast", "0:fail_fast", "1:fail_fast 2:fail_fast"];

#[tokio::test]
async fn a_submit_adds_what_may_run_and_keeps_the_rest_with_its_edges() {
    let stage = stage().await;
    let before = stage.story();
    let mut order = plan("T", &["", "0:skip", "1:fail_fast 0:skip"]);
    order.subtasks[2].queue = QueueName::new("gpu").unwrap();
    order.deadline = Some(std::time::Duration::from_secs(3_600));
    order.subtasks[1].backoff_base_ms = 7;
    stage.accept(&order).await;
    let changed = stage.since(&before);
    let entry = |index: usize, more: &str| {
        format!(
            "v=1 task_id=T subtask_id=T-{index} index={index} generation=0 kind=simulate description=step {index} \
             priority=medium attempt=1 crashes=0 max_attempts=5 timeout_ms=600000 payload={{}} deadline_ms=MS{more}"
        )
    };
    let kept: Vec<&String> = changed.iter().filter(|line| line.starts_with("+ plan:T")).collect();
    let one = packed("default", &entry(1, " backoff_base_ms=7 result_ttl_s=90000 parents=s0=0:skip"));
    let two = packed("gpu", &entry(2, " parents=s1=1:fail_fast,s0=0:skip"));
    let edges = "e:0=1:skip 2:skip e:1=2:fail_fast queues=default gpu w:1=,0, w:2=,1,0,";
    assert_eq!(kept, [&format!("+ plan:T: b:1={one} b:2={two} {edges}")]);
    let running = format!("+ subtasks:default:medium: ID {}", entry(0, " result_ttl_s=90000"));
    assert!(changed.contains(&running), "{changed:?}");
    assert_eq!((stage.raw(&["LLEN", "bell:default"]).integer(), stage.raw(&["EXISTS", "bell:gpu"]).integer()), (1, 0));
}

#[tokio::test]
async fn what_its_last_parent_releases_comes_as_the_submit_packed_it_and_rings() {
    let stage = accepted(&["", "0:fail_fast"]).await;
    stage.raw(&["DEL", "bell:default"]);
    let before = stage.story();
    stage.fold(&[&ended(0, "completed")]).await;
    let changed = stage.since(&before);
    let entry = "+ subtasks:default:medium: ID v=1 task_id=T subtask_id=T-1 index=1 generation=0 kind=simulate \
                 description=step 1 priority=medium attempt=1 crashes=0 max_attempts=5 timeout_ms=600000 payload={} \
                 parents=s0=0:fail_fast";
    assert!(changed.contains(&entry.to_owned()) && changed.contains(&"+ bell:default: 1 tokens".to_owned()));
    assert!(changed.contains(&"+ plan:T: e:0=1:fail_fast queues=default".to_owned()), "{changed:?}");
    stage.fold(&[&ended(1, "completed")]).await;
    assert_eq!(stage.raw(&["EXISTS", "plan:T"]).integer(), 0, "a plan ends with its task");
    assert_eq!(stage.head("T"), "completed 2 0 0");
}

#[tokio::test]
async fn both_parents_of_a_diamond_in_one_fold_release_its_end_once() {
    let stage = accepted(&DIAMOND).await;
    assert_eq!(stage.running().await, [0]);
    stage.fold(&[&ended(0, "completed")]).await;
    assert_eq!(stage.running().await, [1, 2]);
    stage.fold(&[&ended(1, "completed"), &ended(2, "completed")]).await;
    assert_eq!(stage.running().await, [3]);
    stage.fold(&[&ended(1, "completed"), &ended(2, "completed"), &ended(0, "failed")]).await;
    assert_eq!(stage.running().await, Vec::<u32>::new());
}

#[tokio::test]
async fn both_parents_of_a_diamond_in_two_folds_release_its_end_once() {
    for order in [[1, 2], [2, 1]] {
        let stage = accepted(&DIAMOND).await;
        stage.fold(&[&ended(0, "completed")]).await;
        assert_eq!(stage.running().await, [0, 1, 2]);
        stage.fold(&[&ended(order[0], "completed")]).await;
        assert_eq!(stage.running().await, Vec::<u32>::new());
        let waits = stage.raw(&["HGET", "plan:T", "w:3"]).text();
        assert_eq!(waits, format!(",{},", order[1]));
        stage.fold(&[&ended(order[1], "completed")]).await;
        assert_eq!(stage.running().await, [3]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn projectors_at_once_release_every_end_once() {
    for _ in 0..5 {
        let stage = accepted(&DIAMOND).await;
        stage.fold(&[&ended(0, "completed")]).await;
        assert_eq!(stage.running().await, [0, 1, 2]);
        let events = told(&stage, &[&ended(1, "completed"), &ended(2, "completed")]).await;
        let mut projectors = tokio::task::JoinSet::new();
        for at in 0..6 {
            let (store, event) = (stage.store.connect_again(), events[at % 2].clone());
            projectors
                .spawn(async move { store.fold(&name("p"), TTL, &[event]).await.expect("counts").counts.counted });
        }
        assert_eq!(projectors.join_all().await.iter().sum::<u64>(), 2);
        assert_eq!(stage.running().await, [3]);
    }
}

#[tokio::test]
async fn an_end_that_is_told_twice_or_of_no_task_releases_nothing() {
    let stage = accepted(&["", "0:continue", "0:continue 1:continue"]).await;
    for _ in 0..3 {
        stage
            .fold(&[&ended(0, "completed"), &ended(0, "failed"), "T 0 1 completed 1 0 w 5", "T 7 0 completed 1 0 w 5"])
            .await;
    }
    assert_eq!(stage.running().await, [0, 1]);
    assert_eq!(stage.raw(&["HGET", "plan:T", "w:2"]).text(), ",1,");
}

#[tokio::test]
async fn a_chain_of_a_thousand_runs_one_after_the_other() {
    let parents: Vec<String> = (0..1_000)
        .map(|index: usize| index.checked_sub(1).map(|parent| format!("{parent}:fail_fast")).unwrap_or_default())
        .collect();
    let stage = accepted(&parents.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for index in 0..1_000 {
        assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer() as usize, index + 1);
        stage.fold(&[&ended(index, "completed")]).await;
    }
    assert_eq!((stage.head("T"), stage.raw(&["EXISTS", "plan:T"]).integer()), ("completed 1000 0 0".into(), 0));
}

#[tokio::test]
async fn a_thousand_that_wait_for_one_and_one_that_waits_for_fifty_come_in_one_fold() {
    let mut parents = vec!["".to_owned()];
    parents.extend((1..999).map(|_| "0:fail_fast".to_owned()));
    parents.push((1..=50).map(|parent| format!("{parent}:fail_fast")).collect::<Vec<_>>().join(" "));
    let stage = accepted(&parents.iter().map(String::as_str).collect::<Vec<_>>()).await;
    stage.raw(&["DEL", "bell:default"]);
    stage.fold(&[&ended(0, "completed")]).await;
    assert_eq!(stage.running().await, (0..999).collect::<Vec<u32>>());
    assert_eq!(stage.raw(&["LLEN", "bell:default"]).integer(), 64);
    let lines: Vec<String> = (1..=50).map(|index| ended(index, "completed")).collect();
    stage.fold(&[&lines.join("\n")]).await;
    assert_eq!(stage.running().await, [999]);
}

#[tokio::test]
async fn a_plan_in_queues_that_the_projector_does_not_know_is_learnt_before_anything_is_written() {
    let stage = stage().await;
    let mut order = plan("T", &["", "0:skip", "0:skip"]);
    for (index, queue) in [(1, "gpu"), (2, "tpu")] {
        order.subtasks[index].queue = QueueName::new(queue).unwrap();
        order.subtasks[index].priority = proto_schemas::Priority::High;
    }
    stage.accept(&order).await;
    let before = stage.exact();
    let events = told(&stage, &[&ended(0, "completed")]).await;
    let fold = redis_store::script::all().into_iter().find(|script| script.name == "fold").unwrap();
    let first = ["events", "dead-letters", "meta", "lifetimes", "delayed", "delayed:body", "cancelled"];
    let indexes = ["queued", "processing", "completed", "failed", "cancelled"].map(|word| format!("tasks:{word}"));
    let mut call = vec!["EVAL".to_owned(), fold.source.clone(), "15".to_owned()];
    call.extend(first.map(str::to_owned));
    call.extend(indexes);
    call.extend(["task:T", "outcomes:T", "plan:T"].map(str::to_owned));
    call.extend(
        ["projector", "p", "9", "9", "9", "0", "1", "0", "1", &events[1].entry_id, "T", "1"].map(str::to_owned),
    );
    call.extend(["0", "0", "completed", "completed 1 0 5", "5"].map(str::to_owned));
    let answer = stage.raw(&call);
    assert_eq!(answer, Reply::Array(["keys_missing", "default gpu tpu"].map(|text| Reply::Text(text.into())).to_vec()));
    let changed = crate::state::difference(&before, &stage.exact());
    assert!(changed.iter().all(|line| line.contains("events: ")), "{changed:?}");
    let counts = stage.store.fold(&name("p"), TTL, &events).await.unwrap().counts;
    assert_eq!(counts.counted, 1);
    for queue in ["gpu", "tpu"] {
        assert_eq!(stage.raw(&["XLEN", &format!("subtasks:{queue}:high")]).integer(), 1);
        assert_eq!(stage.raw(&["LLEN", &format!("bell:{queue}")]).integer(), 1);
    }
}

#[tokio::test]
async fn what_a_hand_broke_in_a_plan_stays_and_stops_no_projector() {
    let stage = accepted(&["", "0:skip", "0:skip", "0:skip", "0:skip"]).await;
    stage.raw(&[
        "HSET",
        "plan:T",
        "queues",
        "default ! two,words",
        "b:1",
        "nonsense",
        "b:2",
        "[\"nowhere\",\"a\",\"b\"]",
    ]);
    stage.raw(&["HDEL", "plan:T", "b:3"]);
    let edges = format!("1:skip 2:skip 3:skip 4:skip 9:skip x {}:skip", "9".repeat(400));
    stage.raw(&["HSET", "plan:T", "e:0", &edges]);
    assert_eq!(stage.fold(&[&ended(0, "completed")]).await.counted, 1);
    assert_eq!(stage.running().await, [0, 4]);
    for child in 1..=3 {
        assert_eq!(stage.raw(&["HGET", "plan:T", &format!("w:{child}")]).text(), ",", "{child}");
    }
    stage.raw(&["HSET", "task:T", "generations", "1", "updated_at", "nan", "outcome_at", "nan", "completed", "-1"]);
    stage.raw(&["HSET", "outcomes:T", "g:4", "nonsense", "~4", "nonsense"]);
    assert_eq!(stage.fold(&["T 4 0 started 1 0 w 5"]).await.progressed, 1);
    assert_eq!(stage.fold(&[&ended(4, "completed")]).await.counted, 1);
}

#[tokio::test]
async fn what_a_plan_does_not_name_is_not_released_by_a_neighbour_that_names_it() {
    let stage = accepted(&["", "0:skip"]).await;
    stage.accept(&plan("U", &["", "0:skip"])).await;
    stage.fold(&[]).await;
    stage.raw(&["HSET", "plan:T", "queues", ""]);
    let counts = stage.fold(&[&ended(0, "completed"), "U 0 0 completed 1 0 w 5"]).await;
    assert_eq!(counts.counted, 2);
    assert_eq!(stage.raw(&["HGET", "plan:T", "w:1"]).text(), ",");
    assert_eq!(stage.raw(&["HEXISTS", "plan:U", "w:1"]).integer(), 0);
    assert_eq!(stage.raw(&["XLEN", MEDIUM]).integer(), 3);
}

#[tokio::test]
async fn a_count_of_trimmed_letters_that_is_none_stops_no_projector() {
    let stage = accepted(&[""]).await;
    stage.raw(&["HSET", "meta", "dead_letters_trimmed", "many"]);
    let fold = redis_store::script::all().into_iter().find(|script| script.name == "fold").unwrap();
    for _ in 0..250 {
        stage.raw(&["XADD", "dead-letters", "*", "a", "b"]);
    }
    let events = told(&stage, &["no fact"]).await;
    let source = fold.source.replace("ARGV[5]", "'100'");
    let mut call = vec!["EVAL", source.as_str(), "12"];
    call.extend(["events", "dead-letters", "meta", "lifetimes", "delayed", "delayed:body", "cancelled"]);
    call.extend(["tasks:queued", "tasks:processing", "tasks:completed", "tasks:failed", "tasks:cancelled"]);
    call.extend(["projector", "p", "9", "9", "9", "0", "1", "1", "0", &events[0].entry_id, "1", "no fact"]);
    assert_eq!(stage.raw(&call).items()[0].text(), "folded");
    assert!(stage.raw(&["XLEN", "dead-letters"]).integer() < 250);
}

#[tokio::test]
async fn without_memory_a_release_runs_to_its_end() {
    let stage = accepted(&["", "0:skip", "1:skip"]).await;
    let events = told(&stage, &[&ended(0, "completed")]).await;
    stage.out_of_memory();
    assert_eq!(stage.store.fold(&name("p"), TTL, &events).await.unwrap().counts.counted, 1);
    assert_eq!(stage.running().await, [0, 1]);
}

#[tokio::test]
async fn a_key_of_another_type_leaves_the_facts_pending() {
    let stage = accepted(&["", "0:skip"]).await;
    let events = told(&stage, &[&ended(0, "failed")]).await;
    let streams = ["critical", "high", "medium", "low"].map(|priority| format!("subtasks:default:{priority}"));
    let mut keys: Vec<&str> = streams.iter().map(String::as_str).collect();
    keys.extend(["plan:T", "delayed", "delayed:body", "cancelled", "bell:default", "outcomes:T"]);
    refuses_other_types(&stage, &keys, async || stage.store.fold(&name("p"), TTL, &events).await.map(drop)).await;
    assert_eq!(stage.head("T"), "failed 0 1 1");
}

#[tokio::test]
async fn a_plan_that_could_never_run_is_refused_whole() {
    let stage = stage().await;
    let before = stage.exact();
    let long: Vec<String> = (0..51).map(|parent| format!("{parent}:skip")).collect();
    let mut many = plan("T", &[""; 51]);
    many.subtasks.push(depending(51, &long.join(" ")));
    for (what, order) in
        [("beyond", plan("T", &["", "2:skip"])), ("itself", plan("T", &["", "1:skip"])), ("too many", many)]
    {
        let answer = stage.store.submit(&order, ADMISSION).await;
        assert!(matches!(answer, Err(StoreError::Refused(_))), "{what}: {answer:?}");
        assert_eq!(stage.exact(), before, "{what}");
    }
    let submission = Submission { by: ConsumerName::new("api").unwrap(), ..plan("T", &["", "0:skip"]) };
    stage.accept(&submission).await;
}
