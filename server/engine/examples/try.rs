//! throwaway
use pytest_lens_engine::*;
use pytest_lens_protocol::*;
#[tokio::main]
async fn main() {
    let a: Vec<String> = std::env::args().collect();
    let e = Engine::start(EngineConfig::for_user()).unwrap();
    let s = e.session();
    let t = std::time::Instant::now();
    let r = s
        .call(Request::InitContext {
            protocol_version: 1,
            repo_path: a[1].clone(),
            python_path: Some(a[2].clone()),
            execution_mode: a.get(3).cloned(),
        })
        .await;
    println!("{:?} {:?}", t.elapsed(), r);
    let Response::ContextReady { context_id: c, .. } = r else { return };
    for _ in 0..3 {
        let t = std::time::Instant::now();
        let r = s.call(Request::Collect { context_id: c.clone(), force: false }).await;
        println!("{:?} {:?}", t.elapsed(), r);
    }
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    for i in 0..6 {
        let ids = if i < 3 { vec![] } else { vec![a.get(4).cloned().unwrap_or("test_a.py::test_one".into())] };
        let t = std::time::Instant::now();
        let r = s
            .call(Request::Run { context_id: c.clone(), node_ids: ids, workers: None, maxfail: None, options: None })
            .await;
        println!("{:?} {:?}", t.elapsed(), r);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    println!("{:?}", s.call(Request::GetContextStatus { context_id: c.clone() }).await);
    let Response::Events { events, .. } =
        s.call(Request::GetEvents { context_id: c.clone(), cursor: 0, wait_ms: 0 }).await
    else {
        return;
    };
    if a.len() < 6 {
        for ev in events.iter().take(40) {
            println!("{}", serde_json::to_string(ev).unwrap().chars().take(300).collect::<String>());
        }
    }
    e.shutdown().await;
}
