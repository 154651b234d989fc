;; What every store runs, and counts.
(module
  (global $calls (mut i64) (i64.const 0))
  (func (export "calls") (result i64) (global.get $calls))
  (func (export "work") (param $x i32) (param $rounds i32) (result i32)
    (global.set $calls (i64.add (global.get $calls) (i64.const 1)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $rounds)))
        (local.set $x
          (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
        (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
        (br $next)))
    (local.get $x)))
