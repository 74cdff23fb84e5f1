//! The program is a job of the caller's terminal, and no member of the caller's process group.

use crate::support::{Actor, Launch, pinfold, terminal};
use crate::{Place, actors};

/// A shell with job control outside, at a terminal, in which `$P` runs a box.
fn shell(place: &Place) -> Launch {
    let launch = Launch::program(std::path::Path::new("/bin/bash"), place.actor, &["--norc", "-i"]).dir(&place.project);
    let launch = launch.env("HOME", place.home.to_str().unwrap()).env("PS1", "").env("TERM", "dumb");
    launch.env("P", &format!("{} run", pinfold().display()))
}

/// A program that says when it runs in the foreground, and when it goes on there. What is waited for is computed, so
/// that the echo of what is typed is not taken for it.
const TELLS: &str = r#"perl -e '$| = 1; $SIG{CONT} = sub { print "again", 5*5, "\n" };
    print "started", 1+1, "\n"; select(undef, undef, undef, 0.02) while 1'"#;

/// Writes `text` as the script `name` of the project.
fn script(place: &Place, name: &str, text: &str) {
    place.file(&format!("project/{name}"), text);
}

#[test]
fn nothing_inside_is_in_the_group_of_the_caller() {
    for actor in actors() {
        let place = Place::new("own-group", actor);
        for options in ["", "--landlock off", "--share pid", "--share pid --landlock off", "--new-session"] {
            // A caller that shares its group with the tool, as every script does.
            let tool = pinfold().display();
            let box_of = |inner: &str| {
                format!("{tool} run {options} sh -c '{inner}' >/dev/null 2>&1; echo the caller lives, nice $(nice)")
            };
            for attempt in ["kill -9 0; echo no", "renice 15 -g 0 || perl -e \"setpriority(1, 0, 15)\""] {
                let launch = Launch::program(std::path::Path::new("/bin/sh"), actor, &["-c", &box_of(attempt)]);
                let said = launch.dir(&place.project).env("HOME", place.home.to_str().unwrap()).run().done();
                assert_eq!(said, "the caller lives, nice 0\n", "{actor:?} {options} {attempt}");
            }
        }
    }
}

#[test]
fn the_program_leads_its_group() {
    let place = Place::new("leads-group", Actor::User);
    for options in ["", "--share pid", "--seccomp strict"] {
        let said = place.sh(options, r#"set -- $(cat /proc/$$/stat); [ "$5" = $$ ] && echo leads"#).run();
        assert_eq!(said.done(), "leads\n", "{options}");
    }
}

#[test]
fn the_terminal_is_the_programs_and_then_the_callers_again() {
    let place = Place::new("foreground", Actor::User);
    // As a password is asked for: from the terminal itself, whatever the standard descriptors are.
    let asks = r#"$P sh -c 'read x </dev/tty; echo got-$x >/dev/tty' </dev/null >out 2>&1; echo "after$?-"; read y; echo and-$y"#;
    script(&place, "ask.sh", &format!("echo go$((1+1))\n{asks}\n"));
    let lines = [
        ("", "echo ready$((6*7))\n"),
        ("ready42", "sh ask.sh\n"),
        ("go2", "secret\n"),
        // The script, which has no job control, reads the terminal after the box.
        ("after0-", "more\n"),
        ("and-more", "echo one | $P sh -c 'cat; read z </dev/tty; echo piped-$z'\n"),
        ("one\r\n", "two\n"),
        ("piped-two", "exit\n"),
    ];
    let said = terminal::converse(shell(&place), &lines);
    assert!(said.contains("got-secret"), "{said}");
}

#[test]
fn a_typed_stop_stops_the_job_and_fg_continues_it() {
    let place = Place::new("stops", Actor::User);
    script(&place, "job.sh", &format!("$P {TELLS}\n"));
    for options in ["", "--share pid", "--landlock off"] {
        script(&place, "job.sh", &format!("$P {options} {TELLS}\n"));
        // A script around the box stops with it.
        for command in [format!("$P {options} {TELLS}\n"), "sh job.sh\n".into()] {
            let lines = [
                ("", "echo ready$((6*7))\n"),
                ("ready42", command.as_str()),
                ("started2", "\x1a"),
                ("Stopped", "echo prompt$((2+2))\n"),
                ("prompt4", "fg\n"),
                ("again25", "\x1a"),
                ("Stopped", "bg\n"),
                ("again25", "kill %1; wait; echo killed$((1+4))\n"),
                ("killed5", command.as_str()),
                ("started2", "\x1a"),
                ("Stopped", "fg\n"),
                ("again25", "\x03"),
                ("^C", "echo interrupted$((3+3))\n"),
                ("interrupted6", "exit\n"),
            ];
            terminal::converse(shell(&place), &lines);
        }
    }
}

/// The shell has the terminal then, and could not read on without it.
#[test]
fn the_end_of_a_stopped_job_leaves_the_terminal_to_the_shell() {
    let place = Place::new("ends-stopped", Actor::User);
    // A process of a group of its own, which a typed stop does not reach, kills the program.
    let killed = r#"$| = 1; my $me = $$; if (!fork) { setpgrp(0, 0); print "started", 1+1, "\n";
        select(undef, undef, undef, 0.02) until -e "kill"; kill 9, $me; select(undef, undef, undef, 0.02) while getppid == $me; open(my $done, ">", "done"); exit }
        select(undef, undef, undef, 0.02) while 1"#;
    script(&place, "killed.pl", killed);
    script(&place, "says.pl", r#"$| = 1; open(my $go, ">", "go"); close $go; sleep 1000"#);
    for options in ["", "--share pid"] {
        script(&place, "job.sh", &format!("exec $P {options} {TELLS}\n"));
        script(&place, "killed.sh", &format!("exec $P {options} perl killed.pl\n"));
        script(&place, "says.sh", &format!("echo $$ >pid; exec $P {options} perl says.pl\n"));
        let lines = [
            ("", "rm -f go kill done; echo ready$((6*7))\n"),
            ("ready42", "sh job.sh\n"),
            ("started2", "\x1a"),
            ("Stopped", "kill %1; wait; echo ended$((1+1))\n"),
            ("ended2", "sh killed.sh\n"),
            ("started2", "\x1a"),
            ("Stopped", "touch kill; until [ -e done ]; do sleep 0.02; done; echo killed$((3+3))\n"),
            ("killed6", "bg; wait; echo over$((4+4))\n"),
            // By a signal that nobody can read, and before the program has stopped.
            ("over8", "(until [ -e go ]; do sleep 0.02; done; kill -STOP $(cat pid)) & sh says.sh\n"),
            ("Stopped", "kill %%; kill -CONT %%; wait; echo quiet$((5+5))\n"),
            ("quiet10", "exit\n"),
        ];
        terminal::converse(shell(&place), &lines);
    }
}

/// As an editor does when ^Z is a key like any other to it.
#[test]
fn a_program_that_stops_itself_gives_the_shell_its_prompt() {
    let place = Place::new("stops-itself", Actor::User);
    let lines = [
        ("", "echo ready$((6*7))\n"),
        ("ready42", "$P sh -c 'kill -TSTP 0; echo again$((5*5))'\n"),
        ("Stopped", "fg\n"),
        ("again25", "exit\n"),
    ];
    terminal::converse(shell(&place), &lines);
}

#[test]
fn a_typed_interrupt_ends_the_script_around_the_box() {
    let place = Place::new("interrupts", Actor::User);
    for options in ["", "--share pid"] {
        script(&place, "loop.sh", &format!("$P {options} {TELLS}\necho script goes on\n"));
        for shell_of_script in ["sh", "bash"] {
            let lines = [
                ("", "echo ready$((6*7))\n"),
                ("ready42", &*format!("{shell_of_script} loop.sh\n")),
                ("started2", "\x03"),
                ("^C", "echo code-$?-$((3+3))\n"),
                ("code-130-6", "exit\n"),
            ];
            let said = terminal::converse(shell(&place), &lines);
            assert!(!said.contains("script goes on"), "{options} {shell_of_script}: {said}");
        }
    }
}

/// One that has nobody to go on with.
#[test]
fn without_a_shell_a_typed_stop_does_not_end_in_silence() {
    let place = Place::new("no-shell", Actor::User);
    let tells = r#"$| = 1; $SIG{CONT} = sub { print "again", 5*5, "\n"; exit }; print "started", 1+1, "\n";
        select(undef, undef, undef, 0.02) while 1"#;
    let launch = place.run("", &["perl", "-e", tells]);
    let said = terminal::converse(launch, &[("started2", "\x1a"), ("again25", "")]);
    assert!(said.contains("again25"), "{said}");
}

#[test]
fn a_background_job_leaves_the_terminal_alone() {
    let place = Place::new("background", Actor::User);
    let lines = [
        ("", "echo ready$((6*7))\n"),
        ("ready42", "$P sh -c 'echo started$((1+1)); sleep 1000' &\n"),
        // The shell reads on, which it could not without the terminal.
        ("started2", "echo still$((2+2)); kill %1; wait; echo gone$((3+3))\n"),
        // One that wants the terminal is stopped until it is given that.
        ("gone6", "$P sh -c 'read x; echo got-$x-$((1+4))' &\n"),
        ("", "while ! jobs | grep -q 'Stopped'; do :; done; echo waits$((4+4))\n"),
        ("waits8", "fg\n"),
        ("read x", "line\n"),
        ("got-line-5", "exit\n"),
    ];
    let said = terminal::converse(shell(&place), &lines);
    assert!(said.contains("still4"), "{said}");
}

/// Who else in a pipeline reads the terminal keeps it, unless the program asks for it.
#[test]
fn the_rest_of_a_pipeline_keeps_the_terminal() {
    let place = Place::new("pipeline", Actor::User);
    // A pager as they are: its keys come from the terminal while the box still runs.
    script(&place, "pager.sh", "read x; echo $x; read k </dev/tty; echo key-$k");
    // No shell: one that is interrupted just when it starts a command may go on to wait for that.
    script(&place, "says.pl", "$| = 1; print 'box', 1+1, \"\\n\"; sleep 1000");
    let lines = [
        ("", "echo ready$((6*7))\n"),
        ("ready42", "$P perl says.pl | sh pager.sh\n"),
        ("box2", "space\n"),
        ("key-space", "\x03"),
        ("^C", "echo code-${PIPESTATUS[0]}-$((3+3))\n"),
        // The shell echoes what is typed for itself. So what is for the program is typed only once that runs, and the
        // terminal echoes it.
        ("code-130-6", "cat | $P sh -c 'echo reads$((2+2)); cat; echo end$((4+4))'\n"),
        ("reads4", "typed\n"),
        ("typed\r\ntyped", "\x04"),
        ("end8", "exit\n"),
    ];
    terminal::converse(shell(&place), &lines);
}

#[test]
fn nothing_of_a_box_keeps_the_terminal() {
    let place = Place::new("keeps-terminal", Actor::User);
    // Another group of the box takes the terminal again and again, until it ends with the box.
    let takes = r#"$SIG{TTOU} = "IGNORE"; if (!fork) { setpgrp(0, 0); $| = 1; require POSIX;
        POSIX::tcsetpgrp(0, $$) while 1 } select(undef, undef, undef, 0.3)"#;
    script(&place, "takes.pl", takes);
    // Nobody may open the terminal any more (TIOCEXCL).
    script(&place, "excl.pl", "open(my $tty, '<', '/dev/tty') or die; ioctl($tty, 0x540c, 0) or die");
    script(
        &place,
        "both.sh",
        "$P perl takes.pl; read x; echo script-$x; $P perl excl.pl; $P sh -c 'read y; echo box-$y'\n",
    );
    let lines = [
        ("", "echo ready$((6*7))\n"),
        ("ready42", "sh both.sh; echo after$((1+1))\n"),
        ("both.sh", "one\n"),
        ("script-one", "two\n"),
        ("after2", "exit\n"),
    ];
    let said = terminal::converse(shell(&place), &lines);
    assert!(said.contains("box-two"), "{said}");
}

/// It would leave their memory where the next box can read it.
#[test]
fn a_quit_of_the_program_is_an_interrupt_to_the_callers_group() {
    let place = Place::new("quits", Actor::User);
    script(
        &place,
        "quit.sh",
        "trap 'echo int$((7+7))' INT; trap 'echo quit' QUIT; $P sh -c 'kill -QUIT $$'; echo end$?\n",
    );
    let said = terminal::converse(
        shell(&place),
        &[("", "echo ready$((6*7))\n"), ("ready42", "bash quit.sh\n"), ("end131", "exit\n")],
    );
    assert!(said.contains("int14") && !said.contains("\nquit\r\n"), "{said}");
}
