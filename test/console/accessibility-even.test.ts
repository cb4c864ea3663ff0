import { visitPages } from './accessibility.ts';
import { SHOWN } from './pages.ts';

visitPages(SHOWN.filter((_, index) => index % 2 === 0));
