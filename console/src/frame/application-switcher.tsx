import { Combobox } from '@base-ui/react/combobox';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { Application } from '../api/client.ts';
import { Icon } from '../parts/icon.tsx';
import menu from '../parts/menu.module.css';
import { visible } from '../words/visible.ts';
import {
  applicationQuery,
  applicationsQuery,
  rememberApplication,
  useApplicationRef,
} from './application.ts';
import styles from './application-switcher.module.css';
import { useWords } from './session.ts';

/** By name, number or uid. For operators: a company has one application. */
export function ApplicationSwitcher() {
  const app = useApplicationRef();
  const words = useWords();
  const navigate = useNavigate();
  const { data: current } = useQuery({ ...applicationQuery(app ?? ''), enabled: app !== null });
  const { data: all } = useQuery(applicationsQuery);
  const items = all?.data ?? [];
  return (
    <Combobox.Root<Application>
      items={items}
      value={items.find(({ id }) => id === current?.id) ?? null}
      onValueChange={(chosen) => {
        if (chosen === null) return;
        rememberApplication(chosen.id);
        void navigate({ to: '/app/$app/hooks', params: { app: chosen.id } });
      }}
      itemToStringLabel={({ name, number, uid }) => `${name} ${number} ${uid ?? ''}`}
      isItemEqualToValue={(one, other) => one.id === other.id}
    >
      <Combobox.Trigger
        className={styles.trigger}
        aria-label={`${words.Application}: ${current?.name ?? 'choose one'}`}
      >
        <span className={styles.name}>
          {current ? visible(current.name) : `Choose an ${words.application}`}
        </span>
        {current && <span className="muted">{current.number}</span>}
        <Icon name="down" />
      </Combobox.Trigger>
      <Combobox.Portal>
        <Combobox.Positioner sideOffset={4} align="start" className={menu.positioner}>
          <Combobox.Popup className={menu.popup} aria-label={words.Application}>
            <Combobox.Input className={styles.input} placeholder="Name, number or uid" aria-label="Search" />
            <Combobox.Empty className={styles.empty}>Nothing matches.</Combobox.Empty>
            <Combobox.List className={styles.list}>
              {(item: Application) => (
                <Combobox.Item key={item.id} value={item} className={menu.item}>
                  <span className={menu.word}>{visible(item.name)}</span>
                  <span className="muted">{[item.number, item.uid].filter(Boolean).join(' · ')}</span>
                </Combobox.Item>
              )}
            </Combobox.List>
            {all && !all.done && <p className={styles.more}>Only the first {items.length} are listed.</p>}
          </Combobox.Popup>
        </Combobox.Positioner>
      </Combobox.Portal>
    </Combobox.Root>
  );
}
