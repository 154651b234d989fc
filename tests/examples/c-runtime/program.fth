\ What the threads of main.c call. Each word takes one number and leaves one.

: square ( n -- n*n ) dup * ;

: fib ( n -- fib ) dup 2 < if else dup 1 - recurse swap 2 - recurse + then ;

\ How many steps the Collatz sequence from n takes to 1.
: collatz ( n -- steps )
    0 swap begin
        dup 1 = if drop exit then
        dup 2 mod if 3 * 1 + else 2 / then
        swap 1 + swap
    0 until ;

: divides ( n d -- flag ) mod 0 = ;
: prime ( n -- 0|1 )
    dup 2 < if drop 0 exit then
    2 begin
        over over dup * < if drop drop 1 exit then
        over over divides if drop drop 0 exit then
        1 +
    0 until ;
: primes ( n -- how-many-below ) 0 swap 0 do i prime + loop ;

\ Goes out to the host, which comes back in for every single number.
: squares ( n -- sum ) ' square apply ;
: nested ( n -- sum ) ' squares apply ;

: careless ( n -- ) 0 / ;
: endless ( n -- ) 1 + recurse ;
