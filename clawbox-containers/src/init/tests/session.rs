//! The talk, with a process 1 that keeps to it and with others.

use super::*;
use crate::kernel::Look;
use clawbox_init::protocol::{End, Step};
use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};

const HELLO: FromInit<'static> = FromInit::Hello {
    version: VERSION,
    pid: 1,
};

fn ended(run: u32) -> FromInit<'static> {
    FromInit::Ended {
        run,
        end: End::Code(3),
        by_deadline: false,
        oom_kills: Some(1),
    }
}

#[tokio::test]
async fn only_process_one_of_our_version_is_greeted() {
    within(async {
        for (first, words) in [
            (
                from_init(FromInit::Hello {
                    version: VERSION + 1,
                    pid: 1,
                }),
                "speaks version 2; expected process 1 and version 1",
            ),
            (
                from_init(FromInit::Hello {
                    version: VERSION,
                    pid: 7,
                }),
                "it is process 7",
            ),
            (
                from_init(FromInit::Started { run: 0 }),
                "process 1 said Ok(Started",
            ),
            (
                from_init(FromInit::Answer {
                    result: 0,
                    bytes: &[7; 60_000],
                }),
                "process 1 said Ok(Answer",
            ),
            (frame(9, b"", 0), "process 1 said Err(Kind)"),
            (frame(1, b"x", 0), "process 1 said Err(Short)"),
            (
                b"GET / HTTP/1.1\r\n\r\n".to_vec(),
                "no frame of process 1's",
            ),
        ] {
            let (link, mut peer) = Peer::pair();
            peer.send(&first).await;
            let error = Interview::begin(link).await.unwrap_err();
            assert_eq!(error.kind(), InvalidData, "{words}");
            assert!(error.to_string().contains(words), "{error}");
            assert!(error.to_string().len() < 200, "{error}");
        }
        let (link, peer) = Peer::pair();
        drop(peer);
        assert_eq!(kind_of(Interview::begin(link).await), UnexpectedEof);
    })
    .await;
}

#[tokio::test]
async fn each_question_has_its_answer_in_order() {
    within(async {
        let (link, mut peer) = Peer::pair();
        peer.say(HELLO).await;
        let mut interview = Interview::begin(link).await.unwrap();
        let looks = [Look::Stat("/a".to_owned()), Look::Stat("/b".to_owned())];
        let answering = async {
            let heard = peer.hear().await.unwrap();
            let ToInit::Ask(questions) = heard.message() else {
                panic!()
            };
            assert_eq!(questions.count(), 2);
            peer.say(FromInit::Answer {
                result: 5,
                bytes: b"one",
            })
            .await;
            peer.say(FromInit::Answer {
                result: -2,
                bytes: b"",
            })
            .await;
        };
        let (answers, ()) = tokio::join!(interview.ask(&looks), answering);
        let answers = answers.unwrap();
        let [first, second] = looks.map(|look| answers.get(&look).unwrap().clone());
        assert_eq!((first.result, &first.bytes[..]), (5, &b"one"[..]));
        assert_eq!((second.result, &second.bytes[..]), (-2, &b""[..]));
        // A path that nobody can ask for.
        let asked = interview.ask(&[Look::Stat("/\0".to_owned())]).await;
        assert_eq!(kind_of(asked), InvalidInput);
    })
    .await;
}

#[tokio::test]
async fn an_interview_ends_where_process_one_does_not_answer() {
    within(async {
        let answer = from_init(FromInit::Answer {
            result: 0,
            bytes: b"",
        });
        for (said, kind) in [
            (answer.clone(), UnexpectedEof),
            ([&answer[..], &answer[..5]].concat(), UnexpectedEof),
            ([&answer[..], &from_init(HELLO)].concat(), InvalidData),
            ([&answer[..], &from_init(ended(0))].concat(), InvalidData),
            ([&answer[..], &frame(2, b"short", 0)].concat(), InvalidData),
            ([&answer[..], b"garbage, garbage"].concat(), InvalidData),
            (Vec::new(), UnexpectedEof),
        ] {
            let (link, mut peer) = Peer::pair();
            peer.say(HELLO).await;
            let mut interview = Interview::begin(link).await.unwrap();
            let looks = [Look::Stat("/a".to_owned()), Look::Stat("/b".to_owned())];
            let answering = async {
                peer.hear().await.unwrap();
                peer.send(&said).await;
                drop(peer);
            };
            let (answers, ()) = tokio::join!(interview.ask(&looks), answering);
            assert_eq!(kind_of(answers), kind, "{said:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_command_is_told_whole() {
    within(async {
        let (_process_one, mut events, mut peer) = gone().await;
        let heard = peer.hear().await.unwrap();
        let ToInit::Run { run: 0, command } = heard.message() else {
            panic!()
        };
        assert_eq!(command.argv.iter().collect::<Vec<_>>(), [c"echo", c"a b"]);
        assert_eq!(command.env.iter().collect::<Vec<_>>(), [c"KEY=the value"]);
        assert_eq!((command.directory, command.deadline_ms), (c"/tmp", 9001));
        assert!(heard.descriptors.is_empty());
        peer.say(FromInit::Started { run: 0 }).await;
        peer.say(ended(0)).await;
        assert_eq!(events.recv().await, Some(RunEvent::Started));
        let last = RunEvent::Ended {
            end: End::Code(3),
            by_deadline: false,
            oom_kills: Some(1),
        };
        assert_eq!(events.recv().await, Some(last));
        assert_eq!(events.recv().await, None);
    })
    .await;
}

#[tokio::test]
async fn runs_are_told_apart() {
    within(async {
        let (process_one, mut main, mut peer) = gone().await;
        peer.start().await;
        let (first, mut first_told) = process_one.run(&errand(), None, Vec::new()).unwrap();
        let (second, mut second_told) = process_one.run(&errand(), None, Vec::new()).unwrap();
        let (number, heard) = peer.start().await;
        let ToInit::Run { command, .. } = heard.message() else {
            panic!()
        };
        assert_eq!((number, command.deadline_ms), (1, 0));
        let refused = FromInit::Failed {
            run: 2,
            step: Step::Program,
            errno: 13,
        };
        peer.say(refused).await;
        peer.say(ended(1)).await;
        assert_eq!(
            second_told.recv().await,
            Some(RunEvent::Failed {
                step: Step::Program,
                errno: 13
            })
        );
        assert_eq!(first_told.recv().await, Some(RunEvent::Started));
        assert!(matches!(
            first_told.recv().await,
            Some(RunEvent::Ended { .. })
        ));
        assert_eq!(main.recv().await, Some(RunEvent::Started));
        assert!(main.try_recv().is_err(), "nothing more of that one");
        // Both are at their end: nobody is killed, before this or behind it.
        drop((first, second));
        peer.hear().await.unwrap();
        for signal in [15, 1] {
            process_one.signal(0, signal).unwrap();
            let told = ToInit::Signal { run: 0, signal };
            assert_eq!(peer.hear().await.unwrap().message(), told);
        }
    })
    .await;
}

/// After any of these nothing is believed any more, and nobody waits for what will not come.
#[tokio::test]
async fn a_process_one_that_talks_nonsense_is_not_listened_to() {
    within(async {
        let started = FromInit::Started { run: 0 };
        let mut third = from_init(started);
        third.extend(from_init(started));
        for said in [
            from_init(FromInit::Started { run: 1 }),
            from_init(ended(u32::MAX)),
            from_init(HELLO),
            from_init(FromInit::Answer {
                result: 0,
                bytes: b"",
            }),
            from_init(FromInit::Failed {
                run: 0,
                step: Step::Fork,
                errno: u32::MAX,
            }),
            [&third[..], &from_init(ended(0))].concat(),
            [from_init(ended(0)), from_init(ended(0))].concat(),
            frame(5, &[0; 4], 0),
            frame(3, &[0; 4], 3),
            b"not a frame at all".to_vec(),
            from_init(started)[..7].to_vec(),
            Vec::new(),
        ] {
            let (process_one, mut events, mut peer) = gone().await;
            peer.send(&said).await;
            // The link stays open but for what is cut short.
            let held = (said.len() > 7).then_some(peer);
            while events.recv().await.is_some() {}
            while !process_one.is_closed() {
                tokio::task::yield_now().await;
            }
            let run = process_one.run(&errand(), None, Vec::new());
            assert_eq!(kind_of(run), UnexpectedEof, "{said:?}");
            drop(held);
        }
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_told_is_not_begun() {
    within(async {
        let (process_one, _events, mut peer) = gone().await;
        peer.start().await;
        let nul = |text: &str| Errand {
            argv: vec![text.to_owned()],
            ..errand()
        };
        for (errand, kind) in [
            (nul("a\0b"), InvalidInput),
            (
                Errand {
                    directory: "\0".to_owned(),
                    ..errand()
                },
                InvalidInput,
            ),
            (
                Errand {
                    argv: vec![String::new(); 20_000],
                    ..errand()
                },
                InvalidData,
            ),
            (
                Errand {
                    argv: vec!["x".repeat(1 << 20); 3],
                    ..errand()
                },
                InvalidInput,
            ),
        ] {
            assert_eq!(kind_of(process_one.run(&errand, None, Vec::new())), kind);
            assert_eq!(process_one.under_way(), 1, "only the container's own");
        }
        let _last = process_one.run(&errand(), None, Vec::new()).unwrap();
        let (_, heard) = peer.start().await;
        assert!(matches!(heard.message(), ToInit::Run { .. }));
    })
    .await;
}

/// A frame is longer than the socket holds, and the caller goes away: it comes whole, and the command is killed.
#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_link_whole() {
    within(async {
        let (process_one, _events, mut peer) = gone().await;
        peer.start().await;
        let (long, short) = (long_errand(), errand());
        let first = process_one.run(&long, None, Vec::new()).unwrap();
        assert_eq!(process_one.under_way(), 2);
        // Nobody reads yet.
        tokio::task::yield_now().await;
        drop(first);
        let (number, _) = peer.start().await;
        assert_eq!(number, 1);
        let kill = ToInit::Signal { run: 1, signal: 9 };
        assert_eq!(peer.hear().await.unwrap().message(), kill);
        peer.say(ended(1)).await;
        let (_guard, mut told) = process_one.run(&short, None, Vec::new()).unwrap();
        let (number, _) = peer.start().await;
        assert_eq!(number, 2);
        assert_eq!(told.recv().await, Some(RunEvent::Started));
        assert_eq!(
            process_one.under_way(),
            2,
            "the container's own and that one"
        );
    })
    .await;
}
