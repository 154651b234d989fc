/* The admission algorithm once more, for spin: what list.rs and refill.rs do with the one word, the
 * grants and the failures, with THREADS threads that enter once, LIMIT Ms at most and FAILURES
 * creations that fail at any points. With LEAVE the threads leave again.
 *
 * Each atomic block that touches the word is one compare-exchange on it.
 */
#ifndef THREADS
#define THREADS 5
#endif
#ifndef LIMIT
#define LIMIT 99
#endif
#ifndef FAILURES
#define FAILURES 0
#endif
/* 0 is wrong, and shows that the search can fail. */
#ifndef NEW_OWES
#define NEW_OWES 1
#endif
#define MOST 2

/* The word. Spare Ms that owe nothing and such that owe: the head is either. */
byte spare[2];
byte waiting;
byte creating;
bool failed;

/* On their way to a waiter: Ms that owe nothing, Ms that owe, failures. */
byte granted[2];
byte errors;

byte live = 1;
byte failures = FAILURES;
byte done;

#define SPARE (spare[0] + spare[1])
#define NEED (waiting > 0 -> waiting : (SPARE > 0 -> 0 : 1))

inline give(flag) {
	if
	:: waiting > 0 -> waiting--; granted[flag]++
	:: else -> spare[flag]++
	fi;
	failed = false
}

inline take(flag) {
	spare[flag]--;
	owes = (flag == 1 || SPARE == 0 -> 1 : 0)
}

proctype thread() {
	byte owes = 0;
	byte made = 0;
	bool inside = false;
	bool again;

	atomic {
		if
		:: spare[0] > 0 -> take(0); goto entered
		:: spare[1] > 0 -> take(1); goto entered
		:: SPARE == 0 && failed && creating == 0 -> goto refused
		:: SPARE == 0 && !(failed && creating == 0) -> waiting++
		fi
	}
waits:
	atomic {
		if
		:: granted[0] > 0 -> granted[0]--; owes = 0
		:: granted[1] > 0 -> granted[1]--; owes = 1
		:: errors > 0 -> errors--; goto refused
		fi
	}
entered:
	if
	:: owes == 0 -> goto callback
	:: else
	fi;
	owes = 0;
refill:
	again = false;
	atomic {
		if
		:: creating >= NEED -> goto callback
		:: else -> creating++
		fi
	}
	atomic {
		if
		:: live >= LIMIT -> skip
		:: else -> live++; goto making
		fi
	}
	/* No slot: withdraw the claim, then look once more. */
	creating--;
	if
	:: live < LIMIT -> goto refill
	:: else -> goto callback
	fi;
making:
	if
	:: atomic { failures > 0 -> failures-- }; goto unmade
	:: true
	fi;
	atomic { give(NEW_OWES); creating--; made++ };
	/* Whether to make a second one is a matter of speed: the rules hold either way. */
	if
	:: made < MOST -> goto refill
	:: true -> goto callback
	fi;
unmade:
	live--;
	atomic {
		if
		:: waiting > 0 -> creating--; waiting--; errors++; again = true
		:: waiting == 0 && (SPARE > 0 || creating > 1) -> creating--
		:: waiting == 0 && SPARE == 0 && creating <= 1 -> creating--; failed = true; owes = 1
		fi
	}
	if
	:: again -> goto refill
	:: else
	fi;
callback:
	inside = true;
	done++;
#ifdef LEAVE
	atomic { give(owes) };
#endif
	goto end;
refused:
	done++;
end:
	skip
}

init {
	byte i;
	atomic {
		spare[0] = 1;
		for (i : 1 .. THREADS) { run thread() }
	}
}

/* Either. */
ltl either { [] !(SPARE > 0 && waiting > 0) }
/* As many Ms as threads, and one. */
ltl few { [] (live <= THREADS + 1 && live <= LIMIT) }
/* Under weak fairness everybody gets through. */
ltl served { <> (done == THREADS) }
