//! Network faults between the processes and the servers: connections that are cut, slow or silent.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::proxy::{Line, Proxy};
use crate::servers::Servers;
use crate::table::Row;
use crate::trial::Trial;
use crate::{Fault, Play, fault};

/// Selects the proxy of one server.
type Cable = fn(&Trial) -> &Proxy;

pub(crate) fn all() -> Vec<Fault> {
    let cables: [(&str, Cable); 2] =
        [("broker", |trial| &trial.to_broker), ("database", |trial| &trial.to_database)];
    let lines = [
        ("down", Line::Down),
        ("half-open", Line::Silent),
        ("half-open, deaf", Line::Deaf),
        ("half-open, mute", Line::Mute),
        ("slow", Line::Slow(Duration::from_millis(60))),
    ];
    let mut faults = Vec::new();
    for (server, cable) in cables {
        let name = format!("connections to the {server} cut again and again");
        faults.push(fault(&name, move |servers, play| cut(servers, play, cable).boxed_local()));
        for (what, line) in lines {
            let name = format!("connections to the {server} {what}");
            let bad = fault(&name, move |servers, play| bad(servers, play, cable, line).boxed_local());
            // A silent broker is detected by its heartbeat, which takes half a minute.
            let is_for_every_day = line == Line::Down || (line == Line::Silent && server == "database");
            faults.push(if is_for_every_day { bad } else { bad.in_the_long_form() });
        }
    }
    faults
}

async fn cut(servers: &mut Servers, play: Play, cable: Cable) -> Row {
    let mut trial = Trial::full(servers, play.load(4), 1, 2).await;
    trial.under_load().await;
    for _ in 0..play.choose(8, 60) {
        cable(&trial).cut();
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let harmed = cable(&trial).harmed();
    trial.expect(harmed > 0, "no connection was cut");
    trial.lifted().await;
    trial.judge(servers).await
}

async fn bad(servers: &mut Servers, play: Play, cable: Cable, line: Line) -> Row {
    let mut trial = Trial::full(servers, play.load(4), 1, 2).await;
    trial.under_load().await;
    cable(&trial).set(line);
    tokio::time::sleep(play.choose(Duration::from_secs(2), Duration::from_secs(30))).await;
    cable(&trial).set(Line::Open);
    let harmed = cable(&trial).harmed();
    trial.expect(harmed > 0, "nothing was sent over the bad line");
    trial.lifted().await;
    let report = trial.report().await;
    let is_broker_away =
        cable(&trial).server() == servers.rabbitmq.address() && !matches!(line, Line::Slow(_));
    trial.expect(!is_broker_away || report.answers(503) > 0, "CareQ never received 503");
    trial.conclude(servers, &report).await
}
