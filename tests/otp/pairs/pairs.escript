#!/usr/bin/env escript
%% -*- erlang -*-
%% Runs scripts with Erlang processes: reads "name: script" a line, prints "name<TAB>json" a line.
%% The language is described in script.py, which runs the same scripts with actors.
-module(pairs).
-mode(compile).
-behaviour(gen_server).
-export([main/1, init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

-define(REST_MS, 100).
-define(WORK_MS, 20).

main([File]) ->
    logger:set_primary_config(level, none),
    pg:start_link(),
    {ok, Text} = file:read_file(File),
    Lines = [L || L <- string:split(binary_to_list(Text), "\n", all), L =/= "", hd(L) =/= $#],
    %% Scripts are independent, so all run at the same time, apart from those that use names.
    Me = self(),
    Pids = [spawn_monitor(fun() -> Me ! {result, self(), run(Script)} end)
            || Line <- Lines, [_, Script] <- [string:split(Line, ": ")]],
    [io:format("~s\t~s~n", [hd(string:split(Line, ": ")), json(result(P))])
     || {Line, P} <- lists:zip(Lines, Pids)],
    halt(0).

result({Pid, M}) ->
    receive
        {result, Pid, R} -> demonitor(M, [flush]), R;
        {'DOWN', M, process, Pid, Why} -> [failed, list_to_atom(lists:flatten(io_lib:format("~0p", [Why])))]
    after 20000 -> hangs
    end.

run(Script) ->
    process_flag(trap_exit, true),
    put(main, self()),
    Tab = ets:new(pids, [set, public]),
    put(tab, Tab),
    Results = [statement(string:lexemes(string:trim(S), " ")) || S <- string:split(Script, ";", all)],
    [R || R <- Results, R =/= none].

%% --- statements ------------------------------------------------------------------------------

statement(["start", X | Opts]) ->
    {ok, _} = gen_server:start(?MODULE, options(X, Opts), []), none;
statement(["child", P, X | Opts]) ->
    O = options(X, Opts),
    caught(fun() -> call(P, {child, O}) end);
statement(["sup", S, X | Opts]) ->
    O = options(X, Opts),
    {ok, Pid} = supervisor:start_link(?MODULE, {sup, O}), known(S, Pid), none;
statement(["ask", X | Ops]) -> caught(fun() -> call(X, {do, ops(Ops)}) end);
statement(["tell", X | Ops]) -> gen_server:cast(pid(X), {do, ops(Ops)}), none;
statement(["post", X | Ops]) ->
    R = gen_server:send_request(pid(X), {do, ops(Ops)}),
    put(posted, [R | case get(posted) of undefined -> []; L -> L end]), none;
statement(["answers"]) ->
    Rs = lists:reverse(get(posted)), put(posted, []),
    [case gen_server:wait_response(R, 5000) of {reply, A} -> [ok, A]; {error, {W, _}} -> [exit, reason(W)] end || R <- Rs];
statement(["garbage", X]) -> gen_server:cast(pid(X), garbage), none;
statement(["kill", X]) -> exit(pid(X), kill), none;
statement(["suspend", X]) -> sys:suspend(pid(X)), none;
statement(["resume", X]) -> sys:resume(pid(X)), none;
statement(["stop", X, R]) -> caught(fun() -> gen_server:stop(pid(X), term(R), infinity), ok end);
statement(["count", X]) -> caught(fun() -> maps:get(count, sys:get_state(pid(X))) end);
statement(["rest"]) -> timer:sleep(?REST_MS), none;
statement(["heard", X]) -> timer:sleep(?REST_MS), caught(fun() -> call(X, heard) end);
statement(["ended", X]) ->
    timer:sleep(?REST_MS),
    case ets:lookup(get(tab), {ended, X}) of [{_, R}] -> reason(R); [] -> alive end;
statement(["stops"]) ->
    timer:sleep(?REST_MS),
    lists:sort([[X, R] || [X, R] <- ets:match(get(tab), {{stopped, '$1', '_'}, '$2'})]);
statement(["whereis", N]) -> whereis_name(N);
statement(["register", N, X]) -> try register(name(get(tab), N), pid(X)) catch error:badarg -> badarg end;
statement(["members", G]) -> length(pg:get_members(name(get(tab), G))).

call(X, What) -> gen_server:call(pid(X), What, infinity).
caught(F) ->
    try [ok, F()] catch exit:{R, {_, _, _}} -> [exit, reason(R)]; exit:R -> [exit, reason(R)] end.

options(X, Opts) -> options(Opts, #{id => X, tab => get(tab), trap => false, 'end' => none, name => none, init => ok}, X).
options([], O, _) -> O;
options(["trap" | T], O, X) -> options(T, O#{trap := true}, X);
options(["ignore" | T], O, X) -> options(T, O#{init := ignore}, X);
options([KV | T], O, X) ->
    [K, V] = string:split(KV, "="),
    options(T, O#{list_to_atom(K) => V}, X).

ops(Words) -> [string:lexemes(string:trim(Op), " ") || Op <- string:split(string:join(Words, " "), ",", all)].

pid(X) -> [{_, P}] = ets:lookup(get(tab), X), P.
known(X, Pid) ->
    Tab = get(tab),
    Me = self(),
    ets:insert(Tab, {X, Pid}),
    spawn(fun() -> M = monitor(process, Pid), Me ! {watched, Pid},
                   receive {'DOWN', M, process, _, R} -> ets:insert(Tab, {{ended, X}, R}) end end),
    receive {watched, Pid} -> ok end.
name(Tab, N) -> list_to_atom(lists:flatten(io_lib:format("~p~s", [Tab, N]))).
whereis_name(N) ->
    case whereis(name(get(tab), N)) of
        undefined -> null;
        P -> hd([X || [X, Q] <- ets:match(get(tab), {'$1', '$2'}), Q =:= P])
    end.

%% --- processes -------------------------------------------------------------------------------

init({sup, #{id := X} = O}) ->
    Kid = #{id => X, start => {gen_server, start_link, [?MODULE, O, []]}},
    {ok, {#{intensity => 5, period => 60}, [Kid]}};
init(#{id := X, tab := Tab, trap := Trap, name := N, init := Init} = O) ->
    put(tab, Tab),
    process_flag(trap_exit, Trap),
    N =:= none orelse register(name(Tab, N), self()),
    known(X, self()),
    case {Init, maps:get(fail, O, none)} of
        {ignore, _} -> ignore;
        {_, none} -> {ok, O#{heard => [], count => 0, monitors => #{}}};
        {_, "crash:" ++ W} -> erlang:error(list_to_atom(W));
        {_, R} -> {stop, term(R)}
    end.

handle_call({do, Ops}, _, S) -> {Answer, S2} = do(Ops, ok, S), {reply, Answer, S2};
handle_call({child, #{name := N} = O}, _, S) ->
    put(tab, maps:get(tab, O)),
    R = case N =/= none andalso whereis(name(get(tab), N)) of
            P when is_pid(P) -> [error, already_started];
            _ -> case gen_server:start_link(?MODULE, O, []) of
                     {ok, _} -> ok; {error, E} -> [error, reason(E)]; ignore -> ignore end
        end,
    {reply, R, S};
handle_call(heard, _, #{heard := H} = S) -> {reply, lists:reverse(H), S}.
handle_cast({do, Ops}, S) -> {_, S2} = do(Ops, ok, S), {noreply, S2}.
handle_info({note, W}, #{heard := H, count := C} = S) -> {noreply, S#{heard := [W | H], count := C + 1}};
handle_info({'EXIT', P, R}, #{heard := H} = S) -> {noreply, S#{heard := [['EXIT', who(P), reason(R)] | H]}};
handle_info({'DOWN', _, process, P, R}, #{heard := H} = S) -> {noreply, S#{heard := [['DOWN', who(P), reason(R)] | H]}};
handle_info(_, S) -> {noreply, S}.

terminate(R, #{id := X, tab := Tab, 'end' := End}) ->
    ets:insert(Tab, {{stopped, X, make_ref()}, reason(R)}),
    case End of
        none -> ok;
        "slow" -> timer:sleep(3 * ?WORK_MS);
        "crash:" ++ W -> erlang:error(list_to_atom(W));
        _ -> exit(term(End))
    end.

who(P) -> case [X || [X, Q] <- ets:match(get(tab), {'$1', '$2'}), Q =:= P] of [X | _] -> X; [] -> stranger end.

do([], Answer, S) -> {Answer, S};
do([["monitor", Y] | T], _, #{monitors := M} = S) ->
    R = monitor(process, pid(Y)), do(T, ok, S#{monitors := M#{Y => R}});
do([["demonitor", Y] | T], _, #{monitors := M} = S) -> demonitor(maps:get(Y, M)), do(T, ok, S);
do([Op | T], _, S) -> Answer = op(Op), do(T, Answer, S).

op(["link", Y]) -> link(pid(Y)), ok;
op(["unlink", Y]) -> unlink(pid(Y)), ok;
op(["exit", Y, R]) -> exit(pid(Y), term(R)), ok;
op(["kill", Y]) -> exit(pid(Y), kill), ok;
op(["note", Y, W]) -> pid(Y) ! {note, list_to_atom(W)}, ok;
op(["die", R]) -> exit(term(R));
op(["crash", W]) -> erlang:error(list_to_atom(W));
op(["alive", Y]) -> is_process_alive(pid(Y));
op(["say", W]) -> list_to_atom(W);
op(["work"]) -> timer:sleep(?WORK_MS), ok;
op(["join", G]) -> pg:join(name(get(tab), G), self());
op(["ask", Y, W]) ->
    try gen_server:call(pid(Y), {do, [["say", W]]}) catch exit:{calling_self, _} -> refused; exit:{R, _} -> [exit, reason(R)] end;
op(["await", Y]) ->
    M = monitor(process, pid(Y)), receive {'DOWN', M, _, _, _} -> ok end.

%% --- terms -----------------------------------------------------------------------------------

term("shutdown:" ++ W) -> {shutdown, list_to_atom(W)};
term(W) -> list_to_atom(W).

reason({R, [{M, F, A, L} | _]}) when is_atom(M), is_atom(F), is_list(L) -> _ = A,
    case R of noproc -> noproc; function_clause -> crash; _ -> [error, R] end;
reason({shutdown, X}) -> [shutdown, X];
reason(R) -> R.

json(true) -> "true"; json(false) -> "false"; json(null) -> "null";
json(A) when is_atom(A) -> ["\"", atom_to_list(A), "\""];
json(I) when is_integer(I) -> integer_to_list(I);
json([C | _] = L) when is_integer(C), C > 31 -> ["\"", L, "\""];
json(L) when is_list(L) -> ["[", lists:join(",", [json(X) || X <- L]), "]"].
