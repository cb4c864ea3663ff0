import { Empty } from '../../parts/notices.tsx';
import { PageHeader } from '../../parts/page-header.tsx';

/** For an operator of a server without any application. */
export function StartPage() {
  return (
    <>
      <PageHeader title="Start" />
      <Empty title="There is no application yet">
        An application is one customer of yours, who owns web hooks. Make one with POST /api/v1/app, or
        publish with an application in the body.
      </Empty>
    </>
  );
}
