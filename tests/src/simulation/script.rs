//! What a server does with one request: when it begins to answer, and its answer step by step.

use std::collections::VecDeque;
use std::time::Duration;

use outrider_http2::ErrorCode;
use outrider_policy::Code;

use super::plan::{CallPlan, Method, Reader, ServerPlan, body_octets};
use super::random::Random;

/// When the first step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// With the request's head, before its end.
    Head,
    /// With the request's end.
    End,
}

/// One step of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A 103 head.
    Interim,
    /// The head; more follows. Plain HTTP/2 says the status here.
    Head(Code),
    /// Body octets.
    Data(usize),
    /// Body octets, and the end without trailers.
    LastData(usize),
    /// Trailers with this status.
    Trailers(Code),
    /// A head that is the whole answer, with this status.
    Only(Code, Pushback),
    /// RST_STREAM.
    Reset(ErrorCode),
}

/// `grpc-retry-pushback-ms`, if it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushback {
    None,
    After(i32),
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) trigger: Trigger,
    /// Wait so long, then do this.
    pub(super) steps: VecDeque<(Duration, Step)>,
    /// How the server takes the request's body.
    pub(super) reader: Reader,
}

const CODES: [Code; 6] = [
    Code::Unavailable,
    Code::Unavailable,
    Code::Internal,
    Code::InvalidArgument,
    Code::ResourceExhausted,
    Code::DeadlineExceeded,
];

impl Script {
    pub(super) fn draw(random: &mut Random, plan: &ServerPlan, call: &CallPlan) -> Script {
        let trigger = match call.method {
            Method::Chat if random.chance(80) => Trigger::Head,
            _ if random.chance(plan.trouble_percent / 4) => Trigger::Head,
            _ => Trigger::End,
        };
        let steps = if random.chance(plan.trouble_percent) {
            trouble(random, plan, call)
        } else {
            answer(random, plan, call, Code::Ok)
        };
        Script {
            trigger,
            steps,
            reader: Reader::draw(random),
        }
    }

    /// An answer that goes well and soon.
    pub(super) fn good() -> Script {
        Script {
            trigger: Trigger::End,
            steps: [
                Step::Head(Code::Ok),
                Step::Data(10),
                Step::Trailers(Code::Ok),
            ]
            .map(|step| (Duration::ZERO, step))
            .into(),
            reader: Reader::Prompt,
        }
    }
}

fn think(random: &mut Random, plan: &ServerPlan) -> Duration {
    random.millis(0, plan.think_millis_max)
}

/// Head, body, trailers (or, for plain HTTP/2, sometimes none).
fn answer(
    random: &mut Random,
    plan: &ServerPlan,
    call: &CallPlan,
    code: Code,
) -> VecDeque<(Duration, Step)> {
    let pieces = match call.method {
        Method::Get | Method::Put | Method::Upload => 1,
        Method::Watch | Method::Chat => random.between(0, 12),
        Method::Fetch => random.between(1, 3),
    };
    let mut steps = VecDeque::from([(think(random, plan), Step::Head(code))]);
    if call.method == Method::Fetch && random.chance(20) {
        steps.push_front((Duration::ZERO, Step::Interim));
    }
    let gap_max = if call.method.is_unary() {
        2_000
    } else {
        30_000
    };
    for _ in 0..pieces {
        let gap = random.micros(0, gap_max);
        steps.push_back((gap, Step::Data(body_octets(random))));
    }
    let last = if call.method.is_grpc() || random.chance(30) {
        Step::Trailers(code)
    } else {
        Step::LastData(random.between(0, 100))
    };
    steps.push_back((random.micros(0, 1_000), last));
    steps
}

fn trouble(random: &mut Random, plan: &ServerPlan, call: &CallPlan) -> VecDeque<(Duration, Step)> {
    let wait = think(random, plan);
    let one = |step| VecDeque::from([(wait, step)]);
    let code = random.pick(&CODES);
    match random.between(0, 9) {
        0 | 1 => one(Step::Only(code, Pushback::None)),
        2 => {
            let after = random.pick(&[-1, 0, 30]);
            one(Step::Only(Code::Unavailable, Pushback::After(after)))
        }
        3 | 4 => answer(random, plan, call, code),
        5 => one(Step::Reset(ErrorCode::RefusedStream)),
        6 => {
            let steps = answer(random, plan, call, Code::Ok);
            cut(random, steps)
        }
        7 => {
            let mut steps = answer(random, plan, call, Code::Ok);
            steps.pop_back();
            steps.push_back((wait, Step::LastData(5)));
            steps
        }
        8 if call.has_an_end() => VecDeque::new(),
        _ => {
            let mut steps = answer(random, plan, call, Code::Ok);
            if let Some((wait, _)) = steps.front_mut() {
                *wait += random.millis(100, 900);
            }
            steps
        }
    }
}

/// The beginning of `steps`, then RST_STREAM.
fn cut(random: &mut Random, mut steps: VecDeque<(Duration, Step)>) -> VecDeque<(Duration, Step)> {
    steps.truncate(random.between(0, steps.len() - 1));
    let code = random.pick(&[ErrorCode::InternalError, ErrorCode::Cancel]);
    steps.push_back((random.micros(0, 5_000), Step::Reset(code)));
    steps
}
