//! Live runtimes beside extram: threads made by C call into each, all from the same C.

#[cfg(peers)]
mod find;
#[cfg(peers)]
pub(crate) mod ours;

#[cfg(peers)]
use crate::peer::Peer;
use crate::sample::Samples;
#[cfg(peers)]
use crate::sample::Turn;

pub(crate) const NAME: &str = "live";

/// How much is measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    /// The sizes of cold herds, all inside.
    pub(crate) herds: Vec<u32>,
    /// Of a cold herd that returns at once.
    pub(crate) short: u32,
    pub(crate) fresh: u32,
    pub(crate) repeat: u32,
    /// How many threads call at once.
    pub(crate) callers: Vec<u32>,
    pub(crate) milliseconds: u32,
    pub(crate) collect: u32,
}

impl Plan {
    /// Each case with its arguments.
    fn cases(&self) -> Vec<(String, Vec<String>)> {
        let words = |words: &[&dyn ToString]| words.iter().map(|word| word.to_string()).collect();
        let mut cases: Vec<(String, Vec<String>)> = Vec::new();
        for threads in &self.herds {
            cases.push((format!("herd threads={threads}"), words(&[&"herd", threads])));
        }
        cases.push((format!("short threads={}", self.short), words(&[&"short", &self.short])));
        cases.push(("fresh".into(), words(&[&"fresh", &self.fresh])));
        cases.push(("repeat".into(), words(&[&"repeat", &self.repeat])));
        for threads in &self.callers {
            let args = words(&[&"calls", threads, &self.milliseconds]);
            cases.push((format!("calls threads={threads}"), args));
        }
        cases.push((format!("collect threads={}", self.collect), words(&[&"collect", &self.collect])));
        cases
    }

    /// How many peers there are is not known before they are built.
    pub(crate) fn turns(&self) -> u64 {
        u64::from(self.rounds) * self.cases().len() as u64
    }
}

#[cfg(not(peers))]
pub(crate) fn run(_: &Plan, samples: &mut Samples, _: impl FnMut(&str)) -> Result<(), String> {
    samples.skip("live runtimes", "their programs are for Linux");
    Ok(())
}

#[cfg(peers)]
pub(crate) fn run(plan: &Plan, samples: &mut Samples, mut step: impl FnMut(&str)) -> Result<(), String> {
    let room = tempfile::tempdir().map_err(|error| format!("no room for the peers' programs: {error}"))?;
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let ours = ours::NAMES.map(|name| Peer::new(name, &this, &["--be", name]));
    let mut peers = Vec::from(ours);
    peers.extend(find::all(room.path(), samples));
    for round in 0..plan.rounds {
        for (case, args) in plan.cases() {
            step(&format!("live: {case}"));
            for turn in 0..peers.len() {
                let peer = &peers[(turn + round as usize) % peers.len()];
                if args[0] == "collect" && !peer.collects {
                    continue;
                }
                measure(peer, &case, &args, round, samples)?;
            }
        }
    }
    Ok(())
}

#[cfg(peers)]
fn measure(
    peer: &Peer,
    case: &str,
    args: &[String],
    round: u32,
    samples: &mut Samples,
) -> Result<(), String> {
    match peer.measure(args) {
        Ok(figures) => {
            let (case, subject) = (case.into(), peer.name.clone());
            let mut turn = Turn { samples, section: NAME, case, subject, round };
            figures.iter().for_each(|(metric, value)| turn.add(metric, *value));
            Ok(())
        }
        // Ours has to work. What others cannot do is their row's business, and said.
        Err(why) if ours::NAMES.contains(&peer.name.as_str()) => Err(format!("{}: {case}: {why}", peer.name)),
        Err(why) => {
            samples.skip(&format!("{}: {case}, round {}", peer.name, round + 1), why);
            Ok(())
        }
    }
}
