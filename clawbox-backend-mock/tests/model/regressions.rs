//! Runs that went wrong once, as they were shrunk.

use crate::{
    run,
    step::{Ending, Init, Kind, Program, Setup, Step, Trouble},
};
use clawbox_backend_mock::Op;
use std::time::Duration;

const ONE: Setup = Setup {
    places: 1,
    init: Init::Clawbox,
    ending: Ending::Kills,
};

fn spawn(program: Program, limit: u64) -> Step {
    Step::Spawn {
        program,
        limit,
        again: None,
    }
}

fn once(kind: Kind, on: Op) -> Step {
    Step::Fail(Trouble {
        kind,
        on,
        times: Some(1),
        delay: Duration::ZERO,
    })
}

fn check(setup: Setup, steps: &[Step]) {
    if let Err(what) = run(setup, steps) {
        panic!("{what}");
    }
}

#[test]
fn of_two_cleanups_at_once_each_container_counts_for_one() {
    let steps = [
        spawn(Program::Ok, 30),
        Step::Turns(1),
        Step::Cleanup,
        Step::Cleanup,
        Step::Turns(1),
    ];
    check(ONE, &steps);
}

#[test]
fn what_vanished_while_a_wait_hung_did_not_time_out() {
    let steps = [
        spawn(Program::Short, 30),
        Step::Turns(1),
        Step::Vanish(0),
        once(Kind::Hung, Op::Wait),
        Step::Turns(1),
    ];
    check(ONE, &steps);
}

#[test]
fn a_command_that_may_run_has_not_failed_yet() {
    let steps = [
        once(Kind::HungAfter, Op::Run),
        spawn(Program::Short, 30),
        Step::Turns(1),
        once(Kind::Hung, Op::Remove),
        Step::Drop(0),
        Step::Turns(1),
    ];
    check(ONE, &steps);
}

#[test]
fn what_is_created_late_is_found_also_where_its_name_was_given_anew() {
    let late = Trouble {
        kind: Kind::CreatedLate,
        on: Op::Create,
        times: Some(1),
        delay: Duration::from_secs(120),
    };
    let again = Step::Spawn {
        program: Program::Ok,
        limit: 21,
        again: Some(0),
    };
    let steps = [
        Step::Fail(late),
        spawn(Program::Ok, 21),
        Step::Time(Duration::from_secs(62)),
        again,
        Step::Turns(1),
    ];
    check(ONE, &steps);
}

#[test]
fn what_process_one_ended_at_the_deadline_timed_out_though_no_signal_was_delivered() {
    let no_signal = Trouble {
        kind: Kind::Refused,
        on: Op::Kill,
        times: None,
        delay: Duration::ZERO,
    };
    let steps = [
        Step::Fail(no_signal),
        spawn(Program::Sleeper, 21),
        Step::Turns(1),
        Step::Time(Duration::from_secs(25)),
    ];
    let setup = Setup {
        init: Init::Cut,
        ..ONE
    };
    check(setup, &steps);
}

#[test]
fn what_is_killed_may_still_come_late_and_is_found_again() {
    let fault = |kind, seconds| {
        Step::Fail(Trouble {
            kind,
            on: Op::Create,
            times: Some(1),
            delay: Duration::from_secs(seconds),
        })
    };
    let steps = [
        fault(Kind::CreatedLate, 40),
        spawn(Program::Sleeper, 3600),
        Step::Drop(0),
        fault(Kind::LostAnswer, 20),
        Step::Turns(5),
        Step::Time(Duration::from_secs(1)),
        Step::Turns(11),
        Step::Spawn {
            program: Program::Three,
            limit: 30,
            again: Some(0),
        },
        Step::Kill(0),
        Step::Turns(11),
        Step::Time(Duration::from_secs(62)),
    ];
    check(ONE, &steps);
}
