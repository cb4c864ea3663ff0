import { useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api, type EventType, ok } from '../../api/client.ts';
import { useWords } from '../../frame/session.ts';
import { Checkbox } from '../../parts/checkbox.tsx';
import { FieldGroup, fieldId, inputStyle } from '../../parts/field.tsx';
import { NotLoaded, Skeleton } from '../../parts/notices.tsx';
import { visible } from '../../words/visible.ts';
import styles from './hook-form.module.css';

const PAGE_ROWS = 250;

/** Which event types a hook gets: all, or those chosen, by groups that have the first part of their names in common. */
export function TypePicker(props: {
  chosen: readonly string[] | null;
  error: string | undefined;
  onChange(chosen: readonly string[] | null): void;
}) {
  const { chosen, error, onChange } = props;
  const { type, types, Types } = useWords();
  return (
    <FieldGroup legend={Types} error={error}>
      <div id={fieldId('eventTypes')} tabIndex={-1}>
        <Checkbox checked={chosen === null} onChange={(all) => onChange(all ? null : [])}>
          All {types}, those that are still to come too
        </Checkbox>
      </div>
      {chosen !== null && <Tree chosen={chosen} onChange={onChange} noun={type} nouns={types} />}
    </FieldGroup>
  );
}

function Tree(props: {
  chosen: readonly string[];
  noun: string;
  nouns: string;
  onChange(chosen: readonly string[]): void;
}) {
  const { chosen, noun, nouns, onChange } = props;
  const [wanted, setWanted] = useState('');
  const { data, error, isPending, hasNextPage, fetchNextPage, refetch } = useInfiniteQuery({
    queryKey: ['event-types', 'names'],
    queryFn: ({ pageParam }) =>
      ok(
        api.GET('/api/v1/event-type', {
          params: {
            query: {
              limit: PAGE_ROWS,
              with_content: false,
              ...(pageParam !== null && { iterator: pageParam }),
            },
          },
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (last) => (last.done ? null : last.iterator),
    staleTime: 60_000,
  });
  // All of them: a group is not to look complete when it is not.
  useEffect(() => {
    if (hasNextPage) void fetchNextPage();
  }, [hasNextPage, fetchNextPage]);
  if (isPending) return <Skeleton what={nouns} />;
  if (error) return <NotLoaded what={nouns} error={error} onRetry={() => void refetch()} />;
  const known = data.pages.flatMap((page) => page.data);
  const found = known.filter(({ name, description }) =>
    `${name} ${description}`.toLowerCase().includes(wanted.toLowerCase()),
  );
  // Chosen by another way, or archived since: they stay chosen until somebody takes them out.
  const others = chosen.filter((each) => !known.some(({ name }) => name === each));
  return (
    <div className={styles.tree}>
      <input
        type="search"
        className={inputStyle}
        placeholder={`Search ${nouns}`}
        aria-label={`Search ${nouns}`}
        value={wanted}
        onChange={({ target }) => setWanted(target.value)}
      />
      <p className="muted" role="status">
        {chosen.length === 0 ? `Choose one ${noun} at least.` : `${chosen.length} chosen`}
      </p>
      {others.length > 0 && (
        <Group name="Others" types={others.map(bare)} chosen={chosen} onChange={onChange} />
      )}
      {[...groupsOf(found)].map(([name, types]) => (
        <Group key={name} name={name} types={types} chosen={chosen} onChange={onChange} />
      ))}
      {found.length === 0 && <p className="muted">Nothing matches “{visible(wanted)}”.</p>}
    </div>
  );
}

type Named = Pick<EventType, 'name' | 'description'>;

function bare(name: string): Named {
  return { name, description: '' };
}

function groupsOf(types: readonly Named[]): Map<string, Named[]> {
  const groups = new Map<string, Named[]>();
  for (const type of types) {
    const group = type.name.includes('.') ? (type.name.split('.', 1)[0] as string) : 'Others';
    groups.set(group, [...(groups.get(group) ?? []), type]);
  }
  return groups;
}

function Group(props: {
  name: string;
  types: readonly Named[];
  chosen: readonly string[];
  onChange(chosen: readonly string[]): void;
}) {
  const { name, types, chosen, onChange } = props;
  const names = types.map((each) => each.name);
  const count = names.filter((each) => chosen.includes(each)).length;
  const without = chosen.filter((each) => !names.includes(each));
  return (
    <div className={styles.typeGroup}>
      <Checkbox
        checked={count === names.length}
        some={count > 0 && count < names.length}
        onChange={(all) => onChange(all ? [...without, ...names] : without)}
      >
        <strong>{visible(name)}</strong> <span className="muted">{`${count} of ${names.length}`}</span>
      </Checkbox>
      <div className={styles.types}>
        {types.map((type) => (
          <Checkbox
            key={type.name}
            checked={chosen.includes(type.name)}
            onChange={(on) =>
              onChange(on ? [...chosen, type.name] : chosen.filter((each) => each !== type.name))
            }
          >
            <code>{visible(type.name)}</code>
            {type.description && <span className={styles.about}>{visible(type.description)}</span>}
          </Checkbox>
        ))}
      </div>
    </div>
  );
}
